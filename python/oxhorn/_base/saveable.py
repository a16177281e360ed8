"""The mark of objects that have a state in weight files."""


class KerasSaveable:
    """Base of layers, models, metrics, losses, optimizers and operations."""

    def _obj_type(self):
        raise NotImplementedError(f"{type(self).__name__} must say what kind of savable object it is.")

    def __reduce__(self):
        """Pickles, and so copies deeply, as a `.keras` archive held in memory."""
        import io

        from oxhorn.saving import saving_lib

        buffer = io.BytesIO()
        saving_lib._save_model_to_fileobj(self, buffer)
        return _unpickle, (buffer,)


def _unpickle(buffer):
    from oxhorn.saving import saving_lib

    buffer.seek(0)
    return saving_lib._load_model_from_fileobj(buffer, custom_objects=None, compile=True, safe_mode=True)
