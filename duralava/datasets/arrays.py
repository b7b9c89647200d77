"""Arrays of a data set: one memory-mapped `.npy` file for each split and feature."""

import io
import os
import pathlib
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import tensorflow_datasets as tfds
from numpy.lib import format as npy

_FRAME = "frame"  # the feature that every film has


def path(folder: str | os.PathLike[str], split: str, feature: str) -> pathlib.Path:
    """Returns the file of a feature: `<split>.npy`, or `<split>_<feature>.npy`.

    The first is the name for `frame`, the feature that every film has.
    """
    suffix = "" if feature == _FRAME else f"_{feature}"
    return pathlib.Path(folder) / f"{split}{suffix}.npy"


def load(folder: str | os.PathLike[str], split: str, feature: str) -> np.ndarray:
    """Returns the memory-mapped array of a feature, [N, ...] for N examples."""
    return np.load(path(folder, split, feature), mmap_mode="r")


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
        return np.array(load(self._folder, split, self._name)[int(index)])

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
