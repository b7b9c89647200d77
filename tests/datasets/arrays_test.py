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


@pytest.fixture
def stored(tmp_path):
    """An array on the disk with its checksums, and what it holds."""
    values = np.random.default_rng(0).integers(0, 256, (40, 5, 3), np.uint8)
    feature = arrays.Mapped(shape=(5, 3), dtype=np.uint8)
    with arrays.path(tmp_path, "train", "frame").open("xb") as file:
        arrays.write_header(file, feature, 40)
        arrays.write_rows(file, feature, 0, values)
    arrays.write_checksums(tmp_path, "train", "frame")
    return tmp_path, values


def flip_bit(path, position):
    with path.open("r+b") as file:
        file.seek(position, 0 if position >= 0 else 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


KEYS = [
    3,
    -1,
    slice(5, 30, 6),
    slice(None, None, -1),
    np.array([7, 0, 7]),
    (slice(2, 9), 0, 1),
    (np.array([[1, 2], [3, 39]]), slice(1, 3)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_checked_rows_are_indexed_as_an_array_is(stored, key):
    folder, values = stored
    rows = arrays.load_rows(folder, "train", "frame")
    assert (len(rows), rows.shape, rows.dtype) == (40, (40, 5, 3), np.uint8)
    for _ in range(2):  # the second time, they are checked already
        np.testing.assert_array_equal(rows[key], values[key])
    part = rows.part(10, 50)
    np.testing.assert_array_equal(part, values[10:])
    np.testing.assert_array_equal(part[4:6], values[14:16])
    np.testing.assert_array_equal(part.part(3, 5), values[13:15])


@pytest.mark.parametrize("row", [0, 17, 39])
def test_a_changed_bit_is_seen_where_it_is_read(stored, row):
    folder, values = stored
    path = arrays.path(folder, "train", "frame")
    flip_bit(path, row * 15 - 40 * 15)
    rows = arrays.load_rows(folder, "train", "frame", remedy="buy a disk")
    others = np.delete(np.arange(40), row)
    np.testing.assert_array_equal(rows[others], values[others])
    says = rf"{path} is damaged: row {row} is not what was written; buy a disk"
    for read in (
        lambda: rows[row],
        lambda: rows[:],
        lambda: rows[[0, 17, 39], 0],
        lambda: rows.part(row, row + 1)[0],
        lambda: np.asarray(rows),
        lambda: np.concatenate([rows.part(0, 20), rows.part(20, 40)]),
    ):
        with pytest.raises(ValueError, match=says):
            read()


@pytest.mark.parametrize("change", [(b"|u1", b"|i1"), (b"(40, 5, 3)", b"(40, 3, 5)")])
def test_a_changed_header_is_seen(stored, change):
    folder, _ = stored
    path = arrays.path(folder, "train", "frame")
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(ValueError, match=r"train.npy is damaged: its header"):
        arrays.load_rows(folder, "train", "frame")


def test_an_array_without_checksums_is_read_with_one_warning(stored):
    folder, values = stored
    (folder / "train.crc32").unlink()
    flip_bit(folder / "train.npy", -1)
    with pytest.warns(UserWarning, match="has no checksums") as said:
        rows = arrays.load_rows(folder, "train", "frame")
    assert len(said) == 1
    np.testing.assert_array_equal(rows[:39], values[:39])
    assert (rows[39] != values[39]).sum() == 1


@pytest.mark.parametrize("name", ["train.npy", "train.crc32"])
@pytest.mark.parametrize("left", [0, 20, 150])
def test_a_file_that_is_cut_short_is_named(stored, name, left):
    folder, _ = stored
    with (folder / name).open("r+b") as file:
        file.truncate(left)
    with pytest.raises(ValueError, match=rf"{folder / name} is damaged: .*; copy it"):
        arrays.load_rows(folder, "train", "frame", remedy="copy it")


def test_no_array_is_read_that_would_run_a_program(tmp_path):
    np.save(tmp_path / "train.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"train.npy is damaged"):
        arrays.load_rows(tmp_path, "train", "frame")
