"""Where a pretrained encoder comes from: a source named by the user -> a Hugging Face directory on this disk."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fenlei.atomic import made_once
from fenlei.digests import sha256_of
from fenlei.encoders.locate import find_prefix, is_tensorflow_checkpoint, resolve_hub_cache
from fenlei.errors import EncoderError
from fenlei.runtime import cache_folder

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_ALTERNATIVES = (
    "use --encoder starter (comes from the Python package registry), a folder on this disk "
    "(a Hugging Face directory or a TensorFlow checkpoint), or set HF_ENDPOINT to a mirror you can reach"
)


@dataclass(frozen=True)
class EncoderSource:
    """An encoder that can be loaded.

    Attributes:
        name: the source as the user named it.
        folder: the Hugging Face directory.
        kind: `starter`, `tensorflow`, `folder` or `hub`.
    """

    name: str
    folder: Path
    kind: str

    @cached_property
    def sha256(self) -> str:
        """Of the directory as it is when first asked."""
        return sha256_of(self.folder)


def open_encoder(source: str) -> EncoderSource:
    """Find `source`, and download, unpack or convert it into the cache where needed.

    Args:
        source: `starter`; a Hugging Face directory; a TensorFlow checkpoint; a folder of a hub's
            cache; or a name on the Hugging Face hub such as `hfl/chinese-electra-180g-small-discriminator`.
            The hub's own settings (HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, …) are honoured.

    Raises:
        EncoderError: nothing was found there, or it cannot be read; says what can be used instead.
    """
    if source == "starter":
        from fenlei.encoders.starter import starter_directory

        return EncoderSource(source, starter_directory(cache_folder()), "starter")
    path = Path(source).expanduser()
    if path.exists() or is_tensorflow_checkpoint(path):
        path = resolve_hub_cache(path)
        if is_tensorflow_checkpoint(path):
            return EncoderSource(source, _converted(path), "tensorflow")
        if not path.is_dir() or not (path / "config.json").exists():
            raise EncoderError(
                f"{source} is neither a Hugging Face directory (no config.json) nor a TensorFlow checkpoint",
                hint="name the folder that holds config.json, or the one that holds the .index file",
            )
        return EncoderSource(source, path, "folder")
    if not _HUB_NAME.fullmatch(source):
        raise EncoderError(f"there is no file or folder {source}", hint=_ALTERNATIVES)
    return EncoderSource(source, _downloaded(source), "hub")


def _converted(path: Path) -> Path:
    """The Hugging Face directory made from a TensorFlow checkpoint, made once and kept in the cache."""
    from fenlei.encoders import convert

    digest = hashlib.blake2b(f"{convert.REVISION} {path.resolve()}".encode(), digest_size=12)
    for file in sorted(find_prefix(path).parent.iterdir()):
        if file.is_file():
            # Size and time tell a changed checkpoint; a hash would cost as much as converting again.
            digest.update(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}".encode())
    return made_once(cache_folder() / f"tensorflow-{digest.hexdigest()}", lambda target: convert.convert(path, target))


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["config.json", "tokenizer*", "vocab*", "special_tokens_map.json", "*.model", "merges.txt"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*wanted, "*.safetensors*"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*wanted, "pytorch_model*.bin*"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EncoderError(
            f"the encoder {name!r} could not be fetched from the hub: {reason}", hint=_ALTERNATIVES
        ) from error
    return folder
