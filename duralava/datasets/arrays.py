"""Arrays of a data set: one memory-mapped `.npy` file for each split and feature.

Beside each lies a `.crc32` file: the CRC-32 checksums of its header and of each row.
"""

import io
import os
import pathlib
import warnings
import zlib
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import tensorflow_datasets as tfds
from numpy.lib import format as npy

from duralava import files

_FRAME = "frame"  # the feature that every film has
_CHECKSUM = np.dtype("<u4")


def path(folder: str | os.PathLike[str], split: str, feature: str) -> pathlib.Path:
    """Returns the file of a feature: `<split>.npy`, or `<split>_<feature>.npy`.

    The first is the name for `frame`, the feature that every film has.
    """
    suffix = "" if feature == _FRAME else f"_{feature}"
    return pathlib.Path(folder) / f"{split}{suffix}.npy"


def load(folder: str | os.PathLike[str], split: str, feature: str) -> np.ndarray:
    """Returns the memory-mapped array of a feature, [N, ...] for N examples.

    Raises:
      ValueError: the file is not an array, or is cut short.
      OSError: it cannot be read.
    """
    file = path(folder, split, feature)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python
        raise ValueError(f"{file} is damaged: {error}") from error


class Rows:
    """An array on the disk, [N, ...], of which each row is checked when it is read.

    A row is checked at its first reading. An index along the first axis, alone or with
    others, gives a NumPy array, as that of an array does; `np.asarray` gives all.

    Attributes:
      shape: of the array.
      dtype: of the array.
      path: of its file.
      remedy: what to do if a row is damaged, for the message.
    """

    def __init__(
        self,
        values: np.memmap,
        checksums: np.ndarray | None,
        *,
        remedy: str = "prepare it anew",
    ) -> None:
        """Reads `values`, whose rows have `checksums` u32[N]; None: nothing is checked.

        `remedy` is an attribute.
        """
        self.shape, self.dtype = values.shape, values.dtype
        self.path, self.remedy = pathlib.Path(values.filename), remedy
        self._values, self._checksums = values, checksums
        self._first = 0  # which row of the file is row 0
        self._unread = np.full(len(values), checksums is not None)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Returns what the key selects.

        Raises:
          ValueError: one of its rows is damaged.
        """
        self._check(key[0] if isinstance(key, tuple) else key)
        return self._values[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype, copy=copy)

    def part(self, first: int, end: int) -> "Rows":
        """Returns some rows, without reading them."""
        part = Rows(self._values[first:end], self._checksums, remedy=self.remedy)
        part._first, part._unread = self._first + first, self._unread[first:end]
        return part

    def _check(self, key: Any) -> None:
        unread = self._unread[key]
        if not unread.any():
            return
        for row in np.arange(len(self))[key][unread].flat:
            found = zlib.crc32(np.ascontiguousarray(self._values[row]))
            if found != self._checksums[self._first + row]:
                raise ValueError(
                    f"{self.path} is damaged: row {self._first + row} is "
                    f"not what was written; {self.remedy}"
                )
            self._unread[row] = False


def load_rows(
    folder: str | os.PathLike[str],
    split: str,
    feature: str,
    *,
    remedy: str = "prepare it anew",
) -> Rows:
    """Returns the array of a feature, whose rows are checked when they are read.

    Warns if it has no checksums.

    Args:
      folder: of the data set.
      split: `train` or `test`.
      feature: name of the feature.
      remedy: what to do if the array is damaged, for the message.

    Raises:
      ValueError: the file is not an array, or is cut short.
      OSError: it cannot be read.
    """
    try:
        values = load(folder, split, feature)
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from error
    try:
        checksums = np.fromfile(_checksum_path(folder, split, feature), _CHECKSUM)
    except FileNotFoundError:
        warnings.warn(
            f"{folder} has no checksums, as earlier versions of duralava wrote it; "
            "damage to it would not be noticed",
            stacklevel=1,  # said once, not for each array
        )
        return Rows(values, None)
    if len(checksums) != 1 + len(values):
        raise ValueError(
            f"{_checksum_path(folder, split, feature)} is damaged: it has "
            f"{len(checksums)} checksums of a header and {len(values)} rows; {remedy}"
        )
    if _header_checksum(values) != checksums[0]:
        raise ValueError(
            f"{values.filename} is damaged: its header is not what was written; "
            f"{remedy}"
        )
    return Rows(values, checksums[1:], remedy=remedy)


def write_checksums(folder: str | os.PathLike[str], split: str, feature: str) -> None:
    """Writes the checksums of an array that is complete."""
    values = load(folder, split, feature)
    checksums = [_header_checksum(values), *map(zlib.crc32, values)]
    with files.written_whole(_checksum_path(folder, split, feature)) as partial:
        np.array(checksums, _CHECKSUM).tofile(partial)


def num_bytes(folder: str | os.PathLike[str], split: str, feature: str) -> int:
    """Returns the size of an array and its checksums on the disk."""
    paths = path(folder, split, feature), _checksum_path(folder, split, feature)
    return sum(path.stat().st_size for path in paths)


def reference(split: str, index: int) -> str:
    """Returns what the record of an example holds in place of its arrays."""
    return f"{split} {index}"


class Mapped(tfds.features.FeatureConnector):
    """Feature whose values lie in the arrays of this module, not in the records.

    A record holds a `reference`. Each value therefore lies on the disk once, in a file
    that allows random access, and TFDS reads the data set as any other.
    """

    def __init__(self, *, shape: Sequence[int], dtype: Any) -> None:
        super().__init__()
        self._info = tfds.features.TensorInfo(shape=tuple(shape), dtype=np.dtype(dtype))
        self._folder = self._name = ""

    def get_tensor_info(self) -> tfds.features.TensorInfo:
        """Returns shape and type of a value."""
        return self._info

    def get_serialized_info(self) -> tfds.features.TensorInfo:
        """Returns shape and type of what a record holds: one text."""
        return tfds.features.TensorInfo(shape=(), dtype=np.object_)

    def encode_example(self, example_data: str) -> bytes:
        """Returns what a record holds for a `reference`."""
        return example_data.encode()

    def decode_example(self, tfexample_data: Any) -> Any:
        """Not supported: TensorFlow is not needed to read films."""
        raise NotImplementedError("films are read with `as_data_source`")

    def decode_example_np(self, example_data: bytes) -> np.ndarray:
        """Returns the value to which a record refers."""
        split, index = example_data.decode().split()
        return np.array(load_rows(self._folder, split, self._name)[int(index)])

    def load_metadata(self, data_dir: Any, feature_name: str | None = None) -> None:
        """Keeps the folder of the data set, and the name of this feature in it."""
        self._folder, self._name = os.fspath(data_dir), feature_name or ""

    def to_json_content(self) -> dict[str, Any]:
        """Returns the arguments of this feature for `features.json`."""
        return {"shape": list(self.shape), "dtype": np.dtype(self.np_dtype).str}

    @classmethod
    def from_json_content(cls, value: dict[str, Any]) -> "Mapped":
        """Returns the feature of these arguments."""
        return cls(**value)


def write_header(file: IO[bytes], feature: Mapped, num_rows: int) -> None:
    """Writes the header of a `.npy` file of that many values of a feature."""
    file.seek(0)
    file.write(_header(feature, num_rows))


def write_rows(
    file: IO[bytes], feature: Mapped, first: int, values: np.ndarray
) -> None:
    """Writes values of a feature [N, ...] to a `.npy` file, from row `first` on.

    The file is not mapped: a full disk would kill a program that writes to a map.

    Raises:
      ValueError: the values have another shape or type than the feature.
      OSError: the file cannot be written to.
    """
    if values.shape[1:] != feature.shape or values.dtype != feature.np_dtype:
        raise ValueError(
            f"values are {values.dtype} {values.shape[1:]}, not "
            f"{np.dtype(feature.np_dtype)} {feature.shape}"
        )
    row_bytes = values.dtype.itemsize * int(np.prod(feature.shape))
    file.seek(len(_header(feature, 0)) + first * row_bytes)
    file.write(np.ascontiguousarray(values).data)


def _header_checksum(values: np.memmap) -> int:
    with open(values.filename, "rb") as file:
        return zlib.crc32(file.read(values.offset))


def _checksum_path(
    folder: str | os.PathLike[str], split: str, feature: str
) -> pathlib.Path:
    return path(folder, split, feature).with_suffix(".crc32")


def _header(feature: Mapped, num_rows: int) -> bytes:
    """Returns the header, which NumPy makes equally long for all numbers of rows."""
    file = io.BytesIO()
    description = {
        "descr": np.dtype(feature.np_dtype).str,
        "fortran_order": False,
        "shape": (num_rows, *feature.shape),
    }
    npy.write_array_header_1_0(file, description)
    return file.getvalue()
