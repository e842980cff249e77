"""The model bundle: preprocessing, estimator, schema and reference as one artifact that runs no code when read.

Its digest is that of its manifest, a JSON of file names and their digests; so the manifest is itself an object of that
name in the store. Beside the files lies `signature.json`, which binds the digest to the model; it is no part of the
digest, so equal bundles are equal bytes whoever signs them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from plimsoll.digest import canonical_json, sha256_hex, sha256_json
from plimsoll.encoder import Encoder, encoder_from_json
from plimsoll.errors import IntegrityError
from plimsoll.estimators import Fitted, Scores, Task, load
from plimsoll.loss_sizes import WHOLE, LossSpread, spread_from_json
from plimsoll.profile import ColumnPlan, Profile, plan_from_json, plan_to_json
from plimsoll.profile import from_json as profile_from_json
from plimsoll.profile import to_json as profile_to_json
from plimsoll.score_reference import ScoreReference, score_reference_from_json
from plimsoll.seal import Seal, seal_json, unseal_json

FORMAT = 1
SIGNATURE = "signature.json"


class Reference:
    """What the training days looked like, and how well unseen days of theirs were scored.

    A plain class: Prefect walks through every dataclass that a task is handed, and a hundred thousand
    counts took it longer than scoring a day.
    """

    __slots__ = ("days", "losses", "plan", "scores", "slices", "spread")

    def __init__(
        self,
        plan: tuple[ColumnPlan, ...],
        days: Mapping[str, Profile],
        losses: Mapping[str, float],
        scores: ScoreReference | None = None,
        slices: Mapping[str, Mapping[str, float]] | None = None,
        spread: Mapping[str, LossSpread] | None = None,
    ) -> None:
        self.plan = plan
        self.days = days  # by date, in order
        self.losses = losses  # out-of-fold mean loss by date, in order
        self.scores = scores  # out of fold too; None: trained before they were kept
        self.slices = slices or {}  # the same losses of the rows of each declared slice, by its name
        self.spread = spread or {}  # of single rows' losses, by slice, of all rows under WHOLE; none: trained before

    @property
    def rows(self) -> Mapping[str, int]:
        """How many rows the losses of each date are of; of an older version what its scores or its days hold."""
        if WHOLE in self.spread:
            return self.spread[WHOLE].rows
        days = self.scores.days if self.scores else self.days
        return {date: day.rows for date, day in days.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the reference as JSON."""
        days = [{"date": date, "profile": profile_to_json(p)} for date, p in self.days.items()]
        slices = {name: [list(item) for item in losses.items()] for name, losses in self.slices.items()}
        return {
            "plan": plan_to_json(self.plan),
            "days": days,
            "losses": [list(item) for item in self.losses.items()],
            "scores": self.scores.to_json() if self.scores else None,
            "slices": slices,
            "spread": {name: spread.to_json() for name, spread in self.spread.items()},
        }


def reference_from_json(body: Mapping[str, Any]) -> Reference:
    """Return a reference from its JSON."""
    days = {day["date"]: profile_from_json(day["profile"]) for day in body["days"]}
    scores = score_reference_from_json(body["scores"]) if body.get("scores") else None
    slices = {name: dict(losses) for name, losses in body.get("slices", {}).items()}
    spread = {name: spread_from_json(told) for name, told in body.get("spread", {}).items()}
    return Reference(plan_from_json(body["plan"]), days, dict(body["losses"]), scores, slices, spread)


@dataclass(frozen=True)
class Bundle:
    """One trained model with everything that scoring and drift checks need."""

    model: str
    task: Task
    threads: int
    encoder: Encoder
    fitted: Fitted
    reference: Reference
    trained_through: str  # last training date, empty without a time axis

    def score(self, frame: pd.DataFrame) -> Scores:
        """Return one score per row of an assembled frame: a probability, or the number itself."""
        return self.fitted.predict(self.encoder.encode(frame))

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The bundle as files; equal bundles are equal bytes."""
        about = {
            "format": FORMAT,
            "model": self.model,
            "task": self.task,
            "threads": self.threads,
            "encoder": self.encoder.to_json(),
            "estimator": self.fitted.file_name,
            "trained_through": self.trained_through,
        }
        return {
            "bundle.json": canonical_json(about),
            "reference.json": canonical_json(self.reference.to_json()),
            self.fitted.file_name: self.fitted.to_bytes(),
        }

    @cached_property
    def digest(self) -> str:
        """The digest over all files of the bundle."""
        return files_digest(self.files)


def manifest_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the digest of each of a bundle's files by name, the signature left out."""
    return {name: sha256_hex(data) for name, data in files.items() if name != SIGNATURE}


def files_digest(files: Mapping[str, bytes]) -> str:
    """Return the digest of a bundle's files: that of its manifest."""
    return sha256_json(manifest_of(files))


def signature_key(model: str, digest: str) -> str:
    """Return where the signature of a bundle is stored, and what it is bound to."""
    return f"bundles/{model}/{digest}.json"


def sign_bundle(seal: Seal, model: str, digest: str) -> bytes:
    """Return the bytes of `signature.json`: that this digest is a bundle of this model, signed."""
    return seal_json(seal, signature_key(model, digest), {"model": model, "digest": digest})


def check_bundle(files: Mapping[str, bytes], model: str, digest: str, seal: Seal, where: str) -> None:
    """Raise IntegrityError unless files are those of the digest in the ledger and a trusted key signed it."""
    if (found := files_digest(files)) != digest:
        raise IntegrityError(
            f"The bundle at {where} was changed: expected digest {digest[:12]}, found {found[:12]} over "
            f"{', '.join(sorted(manifest_of(files))) or 'no files'}. It was not loaded; restore it from a backup."
        )
    if SIGNATURE not in files:
        raise IntegrityError(f"The bundle at {where} has no {SIGNATURE}. It was not loaded; restore it from a backup.")
    try:
        body = unseal_json(seal, signature_key(model, digest), files[SIGNATURE])
    except IntegrityError as error:
        raise IntegrityError(f"The signature of the bundle at {where} is not valid. {error}") from None
    if body != {"model": model, "digest": digest}:
        raise IntegrityError(f"The signature of the bundle at {where} is about another bundle. It was not loaded.")


def load_bundle(files: Mapping[str, bytes], model: str, digest: str, seal: Seal, where: str) -> Bundle:
    """Return a model's bundle from its files and signature, after checking both against the digest in the ledger.

    Raises IntegrityError before any byte is parsed when a file was changed, added or lost, or is not signed.
    """
    check_bundle(files, model, digest, seal, where)
    about = json.loads(files["bundle.json"])
    if about["format"] != FORMAT:
        raise IntegrityError(f"The bundle at {where} has format {about['format']}; this code reads format {FORMAT}.")
    name = about["estimator"]
    bundle = Bundle(
        about["model"],
        about["task"],
        about["threads"],
        encoder_from_json(about["encoder"]),
        load(name, files[name], about["task"], about["threads"]),
        reference_from_json(json.loads(files["reference.json"])),
        about["trained_through"],
    )
    kept = {name: data for name, data in files.items() if name != SIGNATURE}
    bundle.__dict__["files"] = kept  # skops writes a model that it has read in other bytes
    return bundle
