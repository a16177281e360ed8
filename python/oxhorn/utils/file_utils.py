"""Downloads into a cache, checked by a hash, and extraction of archives."""

import hashlib
import os
import re
import tempfile
import urllib.parse

from oxhorn._base.messages import print_msg
from oxhorn._base.settings import keras_home
from oxhorn.utils.archives import extract_archive

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 16


def get_file(
    fname=None,
    origin=None,
    untar=False,
    md5_hash=None,
    file_hash=None,
    cache_subdir="datasets",
    hash_algorithm="auto",
    extract=False,
    archive_format="auto",
    cache_dir=None,
    force_download=False,
):
    """The path of a file in the cache, which is downloaded unless it is there.

    A file whose hash is wrong is downloaded again, and is only replaced once the new one has arrived and
    its hash is right: a file is never lost because a download failed.

    Args:
        fname: name of the file in the cache; None for the last part of the address.
        origin: address of the file.
        untar: `extract` with `archive_format="tar"`.
        md5_hash: `file_hash`, for MD5.
        file_hash: hash that the file must have, SHA-256 or MD5, in hex.
        cache_subdir: folder inside the cache.
        hash_algorithm: `"sha256"`, `"md5"` or `"auto"`, by the length of the hash.
        extract: extract the file, and return the path of the folder: `fname` without what follows the first
            dot, with `_extracted`; or `fname`, the archive being `fname` with `_archive`, if there is no dot.
        archive_format: `"tar"`, `"zip"`, a list of these, `"auto"` for both, or None.
        cache_dir: the cache; None for `KERAS_HOME` or `~/.keras`.
        force_download: download even if the file is there.

    Raises:
        ValueError: for arguments that name no file, and for a download whose hash is wrong.
        OSError: if the file could not be downloaded; the message says what is in the cache.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    given_name = os.fspath(fname) if fname is not None else None
    fname = _checked_name(given_name or _name_in(origin))
    extracted = fname
    if (extract or untar) and given_name and "." in fname:
        extracted = f"{fname[: fname.find('.')]}_extracted"
    elif extract or untar:
        fname = f"{fname}_archive"
    folder = _cache_folder(cache_dir, cache_subdir, fname)
    target, extracted = os.path.join(folder, fname), os.path.join(folder, extracted)
    _ensure(target, origin, file_hash, hash_algorithm, force_download)
    if not (extract or untar):
        return target
    if not extract_archive(target, extracted, "tar" if untar else archive_format):
        raise ValueError(f"'{target}' is not an archive of format {archive_format!r}.")
    return extracted


def _name_in(origin):
    name = os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(
            f"Can't parse the file name from the origin provided: '{origin}'. "
            "Please specify the `fname` argument."
        )
    return name


def _checked_name(name):
    """The name, if it is that of a file and no path, on any system."""
    if name in (".", "..") or re.search(r"[/\\:\0]", name):
        raise ValueError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent directory, "
            f"use the `cache_dir` argument. Received: fname={name}"
        )
    return name


def _cache_folder(cache_dir, subdir, fname):
    """The cache's folder if it has the file or can be written to, else one among temporary files."""
    base = os.path.expanduser(keras_home() if cache_dir is None else cache_dir)
    for candidate in (base, os.path.join(tempfile.gettempdir(), ".keras")):
        folder = os.path.join(candidate, subdir)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) or os.path.exists(os.path.join(folder, fname)):
            return folder
    raise OSError(f"There is no folder to keep downloads in: neither '{base}' nor '{candidate}' can be used.")


def _ensure(target, origin, file_hash, algorithm, force):
    """Makes sure that `target` is there and has the hash."""
    state = "There is no such file in the cache."
    if os.path.exists(target) and not force:
        if file_hash is None:
            return
        found = hash_file(target, resolve_hasher(algorithm, file_hash))
        if found == str(file_hash):
            return
        state = f"The file in the cache has hash {found}, expected {file_hash}; it was left as it is."
        print_msg(f"'{target}' has hash {found}, expected {file_hash}: downloading it again.")
    download = f"{target}.download"
    print_msg(f"Downloading data from {origin}")
    try:
        _download(origin, download)
    except BaseException as error:
        if os.path.exists(download):
            os.remove(download)
        if not isinstance(error, OSError):
            raise
        raise OSError(f"Could not download {origin} to '{target}': {error}. {state}") from error
    if file_hash is not None:
        found = hash_file(download, resolve_hasher(algorithm, file_hash))
        if found != str(file_hash):
            raise ValueError(
                f"Incomplete or corrupted file detected. What {origin} sent has hash {found}, expected "
                f"{file_hash}; it was kept as '{download}'."
            )
    os.replace(download, target)


def _download(origin, path):
    import urllib.request

    from oxhorn.utils.progbar import Progbar

    with urllib.request.urlopen(origin, timeout=_TIMEOUT_SECONDS) as response, open(path, "wb") as file:
        size = response.headers.get("Content-Length")
        size = int(size) if size else None
        bar = Progbar(size, unit_name="byte")
        done = 0
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            bar.update(done, finalize=False)
        if size not in (None, done):
            raise OSError(f"got {done} bytes of {size}")
        bar.update(done, finalize=True)


def resolve_hasher(algorithm, file_hash=None):
    """A hash object: SHA-256 if asked for or if the length of the hash says so, else MD5."""
    if algorithm == "sha256" or (algorithm == "auto" and file_hash is not None and len(file_hash) == 64):
        return hashlib.sha256()
    return hashlib.md5(usedforsecurity=False)


def hash_file(fpath, algorithm="sha256", chunk_size=65535):
    """The hash of a file in hex; `algorithm` is a name or a hash object."""
    hasher = resolve_hasher(algorithm) if isinstance(algorithm, str) else algorithm
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            hasher.update(chunk)
    return hasher.hexdigest()


def validate_file(fpath, file_hash, algorithm="auto", chunk_size=65535):
    """Whether the file has the hash."""
    return hash_file(fpath, resolve_hasher(algorithm, file_hash), chunk_size) == str(file_hash)
