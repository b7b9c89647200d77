import numpy as np
import pytest
import tensorflow_datasets as tfds

from duralava.datasets import arrays


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 6, 3), np.uint8), ((2,), np.uint16), ((), np.float32)]
)
def test_rows_in_any_order_make_the_array_that_numpy_reads(tmp_path, shape, dtype):
    feature = arrays.Mapped(shape=shape, dtype=dtype)
    expected = np.arange(7 * int(np.prod(shape))).reshape(7, *shape).astype(dtype)
    path = arrays.path(tmp_path, "train", "frame")

    with path.open("xb") as file:
        arrays.write_header(file, feature, 0)
        for first, end in [(5, 7), (0, 2), (2, 5)]:
            arrays.write_rows(file, feature, first, expected[first:end])
        arrays.write_header(file, feature, 7)

    read = arrays.load(tmp_path, "train", "frame")
    assert isinstance(read, np.memmap)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    "values", [np.zeros((1, 3), np.uint16), np.zeros((1, 2), np.uint8)]
)
def test_values_of_another_shape_or_type_are_refused(tmp_path, values):
    feature = arrays.Mapped(shape=(2,), dtype=np.uint16)
    with (
        (tmp_path / "a.npy").open("xb") as file,
        pytest.raises(ValueError, match=r"not uint16 \(2,\)"),
    ):
        arrays.write_rows(file, feature, 0, values)


def test_files_are_named_after_split_and_feature(tmp_path):
    names = [arrays.path(tmp_path, "test", name).name for name in ("frame", "place_9")]
    assert names == ["test.npy", "test_place_9.npy"]


def test_feature_is_read_from_its_description(tmp_path):
    features = tfds.features.FeaturesDict(
        {"place": arrays.Mapped(shape=(2,), dtype=np.uint16)}
    )
    features.save_config(tmp_path)
    with arrays.path(tmp_path, "test", "place").open("xb") as file:
        arrays.write_header(file, features["place"], 3)
        values = np.array([[1, 2], [3, 4], [500, 600]], np.uint16)
        arrays.write_rows(file, features["place"], 0, values)

    read = tfds.features.FeaturesDict.from_config(tmp_path)

    assert (read["place"].shape, read["place"].np_dtype) == ((2,), np.uint16)
    record = features.encode_example({"place": arrays.reference("test", 2)})
    assert read["place"].decode_example_np(record["place"]).tolist() == [500, 600]
