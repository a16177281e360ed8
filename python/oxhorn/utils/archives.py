"""Extraction of tar and zip archives that may be hostile.

Only files and folders are extracted, and only inside the folder asked for. Links and devices are skipped:
all known ways out of the folder but plain `..` and absolute names need a link.
"""

import os
import shutil
import stat
import tarfile
import warnings
import zipfile


def extract_archive(file_path, path=".", archive_format="auto"):
    """Extracts an archive into the folder `path`.

    Args:
        file_path: the archive.
        path: folder; made if it is not there.
        archive_format: `"tar"`, `"zip"`, a list of these, `"auto"` for both, or None for nothing.

    Returns: whether the file was an archive of such a format. Members that are links, devices or lie outside
    of the folder are skipped with a warning. If extraction fails, a folder that it made is removed.
    """
    if archive_format is None:
        return False
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format
    for name in [formats] if isinstance(formats, str) else formats:
        if name not in _FORMATS:
            raise NotImplementedError(name)
        is_archive, opened, members_of = _FORMATS[name]
        if not is_archive(file_path):
            continue
        is_new = not os.path.exists(path)
        try:
            os.makedirs(path, exist_ok=True)
            with opened(file_path) as archive:
                for member_name, kind, open_member in members_of(archive):
                    _extract_member(member_name, kind, open_member, os.path.realpath(path))
        except BaseException:
            if is_new:
                shutil.rmtree(path, ignore_errors=True)
            raise
        return True
    return False


def _tar_members(archive):
    for info in archive:
        kind = "folder" if info.isdir() else "file" if info.isreg() else "other"
        yield info.name, kind, lambda info=info: archive.extractfile(info)


def _zip_members(archive):
    for info in archive.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            kind = "folder"
        else:
            kind = "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "other"
        yield info.filename, kind, lambda info=info: archive.open(info)


_FORMATS = {
    "tar": (tarfile.is_tarfile, tarfile.open, _tar_members),
    "zip": (zipfile.is_zipfile, zipfile.ZipFile, _zip_members),
}


def _extract_member(name, kind, open_member, folder):
    target = _target(name, folder)
    if kind == "other" or target is None:
        warnings.warn(f"Skipping invalid path during archive extraction: '{name}'.", stacklevel=3)
    elif kind == "folder":
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open_member() as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file)


def _target(name, folder):
    """Where a member goes, or None if that is not inside the folder (links that are there being followed)."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or ":" in parts[0]:
        return None
    target = os.path.realpath(os.path.join(folder, *parts))
    return target if os.path.commonpath([target, folder]) == folder else None
