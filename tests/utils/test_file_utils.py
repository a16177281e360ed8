import hashlib
import io
import os
import shutil
import stat
import tarfile
import zipfile

import pytest

from oxhorn.utils.archives import extract_archive
from oxhorn.utils.file_utils import get_file, hash_file, validate_file

CONTENT = b"the content\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "origin" / "data.txt"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path.as_uri()


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def test_download_and_hash(origin, cache):
    path = get_file(origin=origin, file_hash=SHA256, cache_dir=cache)
    assert path == os.path.join(cache, "datasets", "data.txt")
    assert hash_file(path) == SHA256
    assert validate_file(path, MD5)
    assert os.listdir(os.path.dirname(path)) == ["data.txt"]
    # Now it is there: the origin is not asked again.
    assert get_file("data.txt", "http://0.0.0.0:1/data.txt", md5_hash=MD5, cache_dir=cache) == path


def test_wrong_file_in_cache_is_replaced(origin, cache):
    path = get_file("mine", origin, cache_dir=cache, cache_subdir="sub")
    with open(path, "wb") as file:
        file.write(b"old")
    assert get_file("mine", origin, cache_dir=cache, cache_subdir="sub") == path
    assert hash_file(path) != SHA256  # without a hash it is as good as any
    get_file("mine", origin, cache_dir=cache, cache_subdir="sub", file_hash=SHA256)
    assert hash_file(path) == SHA256


def test_wrong_file_is_kept_without_network(origin, cache):
    path = get_file(origin=origin, cache_dir=cache)
    wrong = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(OSError, match="Could not download") as error:
        get_file("data.txt", "http://0.0.0.0:1/data.txt", file_hash=wrong, cache_dir=cache)
    for part in (path, SHA256, wrong, "left as it is"):
        assert part in str(error.value)
    assert hash_file(path) == SHA256
    assert os.listdir(os.path.dirname(path)) == ["data.txt"]


def test_wrong_download_does_not_replace_the_file(origin, cache):
    path = get_file(origin=origin, cache_dir=cache)
    with open(path, "wb") as file:
        file.write(b"mine")
    with pytest.raises(ValueError, match="Incomplete or corrupted file") as error:
        get_file(origin=origin, file_hash="0" * 64, cache_dir=cache)
    assert SHA256 in str(error.value) and "0" * 64 in str(error.value)
    assert hash_file(path) == hashlib.sha256(b"mine").hexdigest()


def test_missing_file_without_network(cache):
    with pytest.raises(OSError, match=r"nothing.txt.*no such file in the cache"):
        get_file("nothing.txt", "http://0.0.0.0:1/x", cache_dir=cache)
    assert os.listdir(os.path.join(cache, "datasets")) == []


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "c:x", "a\0b"])
def test_bad_names(name, cache):
    with pytest.raises(ValueError, match="Paths are no longer accepted"):
        get_file(name, "http://0.0.0.0:1/x", cache_dir=cache)
    with pytest.raises(ValueError):
        get_file(None, "http://0.0.0.0:1/", cache_dir=cache)
    with pytest.raises(ValueError, match="origin"):
        get_file("name")


def test_keras_home(origin, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    assert get_file(origin=origin) == str(tmp_path / "home" / "datasets" / "data.txt")


# -- archives


def tar_of(path, *members):
    """Members are (name, bytes or None for a folder) or `TarInfo`s."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            data = None
            if not isinstance(member, tarfile.TarInfo):
                name, data = member
                member = tarfile.TarInfo(name)
                member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
                member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data) if data else None)
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def files_under(folder):
    return sorted(
        os.path.relpath(os.path.join(root, name), folder)
        for root, _, names in os.walk(folder)
        for name in names
    )


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_get_file_extracts(kind, tmp_path, cache):
    archive = str(tmp_path / "pack.tar.gz")
    if kind == "tar":
        tar_of(archive, ("d", None), ("d/a.txt", CONTENT), ("b.txt", b"b"))
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("d/a.txt", CONTENT)
            file.writestr("b.txt", b"b")
    origin = (tmp_path / "pack.tar.gz").as_uri()
    datasets = os.path.join(cache, "datasets")
    # The folders have Keras's names.
    for fname, folder, download in (
        ("pack.tar.gz", "pack_extracted", "pack.tar.gz"),
        ("plain", "plain", "plain_archive"),
        (None, "pack.tar.gz", "pack.tar.gz_archive"),
    ):
        path = get_file(fname, origin, extract=True, cache_dir=cache)
        assert path == os.path.join(datasets, folder)
        assert files_under(path) == ["b.txt", "d/a.txt"]
        assert os.path.isfile(os.path.join(datasets, download))
        shutil.rmtree(datasets)


def test_not_an_archive(origin, cache):
    with pytest.raises(ValueError, match="not an archive"):
        get_file("data", origin, extract=True, cache_dir=cache)


ESCAPES = {
    "tar-slip": [("../out.txt", b"x")],
    "tar-slip-deep": [("a/../../out.txt", b"x")],
    "absolute": [("/tmp/oxhorn-out.txt", b"x")],
    "backslash": [("..\\out.txt", b"x")],
    "drive": [("C:\\out.txt", b"x")],
    "prefix-confusion": [("../extracted_poisoned/out.txt", b"x")],
    "symlink": [link("out", ".."), ("out/out.txt", b"x")],
    "symlink-dotdot": [link("here", "."), ("here/../out.txt", b"x")],
    "symlink-chain": [link("a", "a" * 200), link("b", "a/../.."), ("b/out.txt", b"x")],
    "hard-link": [link("../out.txt", "inside.txt", tarfile.LNKTYPE)],
    "hard-link-to-outside": [link("copy.txt", "../secret.txt", tarfile.LNKTYPE)],
    "device": [link("pipe", "", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_leaves_the_folder(name, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    archive = tar_of(str(tmp_path / "evil.tar"), ("inside.txt", b"in"), *ESCAPES[name])
    folder = str(tmp_path / "extracted")
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        assert extract_archive(archive, folder)
    for root, _, names in os.walk(folder):
        for file in names:
            assert stat.S_ISREG(os.lstat(os.path.join(root, file)).st_mode)
    assert "inside.txt" in files_under(folder)
    outside = {"evil.tar", "extracted", "secret.txt"}
    assert set(os.listdir(tmp_path)) == outside
    assert all(os.path.getsize(os.path.join(folder, f)) < len("secret") for f in files_under(folder))
    assert not os.path.exists("/tmp/oxhorn-out.txt")


def test_zip_slip_and_links(tmp_path):
    archive = str(tmp_path / "evil.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../out.txt", "x")
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
        file.writestr("fine.txt", "x")
    folder = str(tmp_path / "extracted")
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        extract_archive(archive, folder, ["tar", "zip"])
    assert files_under(folder) == ["fine.txt"]
    assert sorted(os.listdir(tmp_path)) == ["evil.zip", "extracted"]


def test_links_that_are_there_already_are_not_followed_out(tmp_path):
    folder = tmp_path / "extracted"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    archive = tar_of(str(tmp_path / "evil.tar"), ("out/out.txt", b"x"))
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        extract_archive(archive, str(folder))
    assert not (tmp_path / "out.txt").exists()


def test_broken_archive_leaves_nothing(tmp_path):
    archive = tar_of(str(tmp_path / "broken.tar"), ("a.txt", os.urandom(100_000)))
    with open(archive, "r+b") as file:
        file.truncate(50_000)
    with pytest.raises((EOFError, tarfile.TarError)):
        extract_archive(archive, str(tmp_path / "extracted"))
    assert os.listdir(tmp_path) == ["broken.tar"]
    assert extract_archive(archive, str(tmp_path), None) is False
