"""A camera's lens from views of a board, with what is known of its errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.boards import Corners
from calibration.coverage import count_corners
from calibration.lens_fit import FISHEYE, PLUMB_BOB, RATIONAL, Fit, Model, fit, project, rms, start
from calibration.views import View
from perception.camera_info import CameraInfo
from perception.errors import DataError
from perception.geometry.lens import Lens
from perception.types import Doubles, Ints

LEAST_VIEWS = 6  # as many as leave each parameter several views that speak of it
FOLDS = 10
ODD = 3.0  # standard deviations above the usual error of a view, and twice that error
MOST_ODD = 0.25  # of the views
STRAY = 6.0  # times the usual distance: no corner of a good view is that far off
MOST_STRAY = 0.2  # of a view's corners: with more, the view is odd
TIE = 0.02  # share of the held-out error: within it more coefficients are none that the views ask for
MOST_FOCAL_SD = 0.1  # of the focal length: with more, metres would be guesses
OPEN = "the views leave the focal length open; tilt the board by 30 to 45° each way, and hold it nearer"
GRID = (25, 19)  # places in the picture for which the error of a ray is computed


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A lens and its errors.

    Attributes:
        size: width, height of the pictures.
        views: those used, in the order of `fit`'s.
        dropped: those that disagreed, with the error of each when it was dropped, in pixels.
        stray: how many single corners were left out, far off in views that are right otherwise.
        held_out: RMS error in pixels of corners in views that the lens was not fitted to, by model; the
            model chosen is `fit`'s.
        counts: of corners in each cell of the picture, (rows, columns).
        places: (n, 2) pixels, over the whole picture, border included.
        ray_errors: (n,) pixels: there, one standard deviation of where rays are seen once a mount that was
            measured with this lens turns them; infinite where the lens's model holds no ray.
    """

    size: tuple[int, int]
    fit: Fit
    views: tuple[View, ...]
    dropped: tuple[tuple[View, float], ...]
    stray: int
    held_out: dict[str, float]
    counts: Ints
    places: Doubles
    ray_errors: Doubles

    @property
    def info(self) -> CameraInfo:
        return camera_info(self.fit, self.size)

    @property
    def rms(self) -> float:
        return rms(np.concatenate(self.fit.residuals))

    @property
    def sd(self) -> dict[str, float]:
        """Standard deviation of each parameter."""
        deviations = np.sqrt(np.diag(self.fit.covariance)).tolist()
        return dict(zip(self.fit.model.parameters, deviations, strict=True))


def camera_info(fitted: Fit, size: tuple[int, int]) -> CameraInfo:
    fx, fy, cx, cy, *d = fitted.parameters.tolist()
    k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
    p = (fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0)
    return CameraInfo(*size, fitted.model.name, tuple(d), k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)


def find_intrinsics(
    views: Sequence[View], size: tuple[int, int], *, fisheye: bool = False, coefficients: int | None = None
) -> Intrinsics:
    """The lens that fits the views best.

    Args:
        fisheye: by angles instead of a picture plane, for lenses of more than about 110°.
        coefficients: of a pinhole's distortion, 5 or 8; None: eight where they foretell other views
            better by more than 2 %.

    Raises:
        DataError: there are too few views, or they leave the focal length open.
    """
    if len(views) < LEAST_VIEWS:
        raise DataError(
            f"the board is found in {len(views)} {'view' if len(views) == 1 else 'views'}, at least "
            f"{LEAST_VIEWS} are needed, better 15 to 30: sharp, all of it, tilted each way, near and far "
            "(held still, it counts once); check --board"
        )
    models = (
        (FISHEYE,)
        if fisheye
        else tuple(
            model for model in (PLUMB_BOB, RATIONAL) if coefficients in (None, len(model.coefficients))
        )
    )
    try:
        return _fitted(models, views, size)
    except np.linalg.LinAlgError as error:
        raise DataError(f"{OPEN}: {error}") from error


def _fitted(models: Sequence[Model], views: Sequence[View], size: tuple[int, int]) -> Intrinsics:
    largest = models[-1]  # what a smaller model cannot say is no fault of the view
    clean = _without_stray(largest, views, size)
    stray = sum(len(one.corners.board) for one in views) - sum(len(one.corners.board) for one in clean)
    kept, dropped, fitted = _drop_odd(largest, clean, size)
    corners = [view.corners for view in kept]
    fits = {model: fit(model, corners, *start(model, corners, size)) for model in models[:-1]} | {
        largest: fitted
    }
    held_out = {model: hold_out(one, corners) for model, one in fits.items()}
    best_error = min(error for error, _ in held_out.values())
    chosen = next(model for model in models if held_out[model][0] <= best_error / (1 - TIE))
    best = replace(fits[chosen], covariance=fits[chosen].covariance * held_out[chosen][1])
    variances, focal = np.diag(best.covariance)[:2], best.parameters[:2]
    if not (variances >= 0).all() or not (np.sqrt(variances) <= MOST_FOCAL_SD * np.abs(focal)).all():
        sd = np.sqrt(np.abs(variances) / focal**2).max()
        said = f"{sd:.0%}" if np.isfinite(sd) else "not finite"
        raise DataError(f"{OPEN}: its standard deviation is {said}, at most {MOST_FOCAL_SD:.0%} is of use")
    places = _grid(size)
    return Intrinsics(
        size,
        best,
        tuple(kept),
        tuple(dropped),
        stray,
        {model.name: error for model, (error, _) in held_out.items()},
        count_corners(np.concatenate([one.pixels for one in corners]), size),
        places,
        ray_errors(best, size, places),
    )


def _without_stray(model: Model, views: Sequence[View], size: tuple[int, int]) -> list[View]:
    """Without corners that were found where none is: detectors of markers leave a few."""
    corners = [view.corners for view in views]
    fitted = fit(model, corners, *start(model, corners, size))
    distances = [np.linalg.norm(one, axis=1) for one in fitted.residuals]
    limit = STRAY * float(np.median(np.concatenate(distances)))
    clean = []
    for view, distance in zip(views, distances, strict=True):
        near = distance <= limit
        if near.mean() < 1 - MOST_STRAY:
            near[:] = True
        corners_near = Corners(view.corners.pixels[near], view.corners.board[near])
        clean.append(view if near.all() else replace(view, corners=corners_near))
    return clean


def _drop_odd(
    model: Model, kept: list[View], size: tuple[int, int]
) -> tuple[list[View], list[tuple[View, float]], Fit]:
    """Drop views one by one, the worst first, while one of them is far worse than is usual."""
    dropped: list[tuple[View, float]] = []
    most = min(int(MOST_ODD * len(kept)), len(kept) - LEAST_VIEWS)
    corners = [view.corners for view in kept]
    fitted = fit(model, corners, *start(model, corners, size))
    while len(dropped) < most:
        errors = fitted.errors
        usual, worst = float(np.median(errors)), int(np.argmax(errors))
        spread = 1.4826 * float(np.median(np.abs(errors - usual)))
        if errors[worst] <= max(usual + ODD * spread, 2 * usual):
            break
        dropped.append((kept.pop(worst), float(errors[worst])))
        corners.pop(worst)
        fitted = fit(model, corners, *start(model, corners, size))
    return kept, dropped, fitted


def hold_out(fitted: Fit, corners: Sequence[Corners]) -> tuple[float, float]:
    """Fit the lens without some of the views, in turn.

    Returns:
        RMS error in pixels of the views held out, of which only the pose is fitted.
        By how much the parameters vary more from views to views than independent errors of corners say: a
        factor of the covariance, from a jackknife of groups (Efron and Tibshirani, "An introduction to the
        bootstrap", 1993, 11); at least 1. A board that is not flat makes it large.
    """
    folds = min(FOLDS, len(corners))
    residuals: list[Doubles] = []
    lenses: list[Doubles] = []
    for fold in range(folds):
        away = np.arange(len(corners)) % folds == fold
        rest = [one for one, out in zip(corners, away, strict=True) if not out]
        held = [one for one, out in zip(corners, away, strict=True) if out]
        lenses.append(fit(fitted.model, rest, fitted.parameters, fitted.poses[~away]).parameters)
        residuals += fit(fitted.model, held, lenses[-1], fitted.poses[away], lens=False).residuals
    apart = np.array(lenses) - np.mean(lenses, axis=0)
    spread = (folds - 1) / folds * np.einsum("ki,ij,kj->", apart, np.linalg.inv(fitted.covariance), apart)
    return rms(np.concatenate(residuals)), max(1.0, float(spread) / len(fitted.parameters))


def ray_errors(fitted: Fit, size: tuple[int, int], places: Doubles) -> Doubles:
    """How far from each place the ray that is taken for its own is seen: one standard deviation in pixels.

    It follows from the covariance of the parameters, less the rotation that comes nearest to what an error of
    them does: most of a shift of the principal point looks like one, and goes into the mount that is measured
    with it.
    """
    rays = Lens(camera_info(fitted, size)).to_rays(places)
    known = np.isfinite(rays[:, 0])
    errors = np.full(len(places), np.inf)
    _, slopes, by_pose = project(fitted.model, fitted.parameters, np.zeros(6), rays[known])
    by_turn = by_pose[:, :3]
    slopes = slopes - by_turn @ np.linalg.lstsq(by_turn, slopes, rcond=None)[0]
    slopes = slopes.reshape(-1, 2, slopes.shape[1])
    errors[known] = np.sqrt(np.einsum("nij,jk,nik->n", slopes, fitted.covariance, slopes))
    return errors


def _grid(size: tuple[int, int]) -> Doubles:
    x, y = (np.linspace(-0.5, side - 0.5, count) for side, count in zip(size, GRID, strict=True))
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
