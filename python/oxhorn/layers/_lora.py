"""Low-rank adaptation of a layer's main weight."""

from oxhorn import initializers, ops


class LoraWeight:
    """Mixin: a weight that can be frozen and trained through a low-rank update, `alpha / rank * a @ b`.

    The layer keeps the weight itself in `_<name>`; `<name>` is to return `_adapted_weight()`. Files hold the
    sum, so they look alike with and without LoRA.

    Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (arXiv:2106.09685).
    """

    _lora_target = "kernel"

    def _init_lora(self, lora_rank, lora_alpha):
        self.lora_rank = lora_rank
        self.lora_alpha = lora_rank if lora_alpha is None else lora_alpha
        self.lora_enabled = False

    def _lora_factors(self):
        return tuple(getattr(self, f"lora_{self._lora_target}_{x}") for x in "ab")

    def _adapted_weight(self):
        if not self.built:
            raise AttributeError(f"You must build the layer before accessing `{self._lora_target}`.")
        weight = getattr(self, f"_{self._lora_target}")
        if not self.lora_enabled:
            return weight
        update = ops.matmul(*self._lora_factors())
        return ops.cast(weight + (self.lora_alpha / self.lora_rank) * update, self.compute_dtype)

    def enable_lora(self, rank, lora_alpha=None, a_initializer="he_uniform", b_initializer="zeros"):
        """Freezes the weight and trains a low-rank update of it instead.

        Args:
            rank: int, of the update.
            lora_alpha: its scale is `lora_alpha / rank`; default: 1.
            a_initializer, b_initializer: of the two factors.

        Raises:
            ValueError: the layer is not built, its weight has a constraint, or LoRA is enabled already.
        """
        name = self._lora_target
        if getattr(self, f"{name}_constraint", None):
            raise ValueError(
                f"Lora is incompatible with {name.rstrip('s')} constraints. In order to enable lora on this "
                f"layer, remove the `{name}_constraint` argument."
            )
        if not self.built:
            raise ValueError("Cannot enable lora on a layer that isn't yet built.")
        if self.lora_enabled:
            raise ValueError("lora is already enabled. This can only be done once per layer.")
        weight = getattr(self, f"_{name}")
        shapes = {"a": (*weight.shape[:-1], rank), "b": (rank, weight.shape[-1])}
        locked = self._tracker.locked
        self._tracker.unlock()
        for factor, initializer in (("a", a_initializer), ("b", b_initializer)):
            variable = self.add_weight(
                name=f"lora_{name}_{factor}",
                shape=shapes[factor],
                initializer=initializers.get(initializer),
                dtype="float32",  # small updates would vanish in 16 bits
                regularizer=getattr(self, f"{name}_regularizer", None),
            )
            setattr(self, f"lora_{name}_{factor}", variable)
        weight.trainable = False
        if locked:
            self._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def save_own_variables(self, store):
        """Writes the weight with the update merged in, and the bias if there is one."""
        if not self.built:
            return
        store["0"] = self._adapted_weight()
        if getattr(self, "bias", None) is not None:
            store["1"] = self.bias

    def load_own_variables(self, store):
        if not self.lora_enabled:
            self._check_load_own_variables(store)
        if not self.built:
            return
        getattr(self, f"_{self._lora_target}").assign(store["0"])
        if getattr(self, "bias", None) is not None:
            self.bias.assign(store["1"])
        if self.lora_enabled:
            for variable in self._lora_factors():
                variable.assign(ops.zeros(variable.shape))

    def _lora_config(self):
        """Config entries, none without LoRA."""
        return {"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha} if self.lora_rank else {}


def refuse_quantization(quantization_config):
    """Layers take `quantization_config=None` only, until there is quantization."""
    if quantization_config is not None:
        raise NotImplementedError(
            f"Quantized layers are not there yet. Received: quantization_config={quantization_config}"
        )
