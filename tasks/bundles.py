"""Bundles in the object store: what scoring reads, checked to the last byte and without MLflow.

A bundle's digest is the digest of its manifest, so the manifest is the object of that name, and each of its files is
the object of its own digest. MLflow keeps a copy for people.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from plimsoll.archive import Archive
from plimsoll.bundle import SIGNATURE, Bundle, load_bundle, manifest_of, sign_bundle, signature_key
from plimsoll.errors import IntegrityError
from plimsoll.store import Store, get_object, put_json, put_object
from tasks.workspace import Workspace

KEPT_IN_MEMORY = 8


def keep_bundle(workspace: Workspace, bundle: Bundle) -> Mapping[str, bytes]:
    """Store a bundle's files, its manifest and its signature; return the files with `signature.json`."""
    archive = workspace.archive
    for data in bundle.files.values():
        put_object(archive.store, data)
    put_json(archive.store, manifest_of(bundle.files))
    key = signature_key(bundle.model, bundle.digest)
    signature = sign_bundle(archive.seal, bundle.model, bundle.digest)
    archive.store.put_if_absent(key, signature)  # an equal bundle may carry an earlier signature
    return {**bundle.files, SIGNATURE: archive.store.get(key) or signature}


def bundle_objects(store: Store, digest: str) -> dict[str, str]:
    """Return the digest of each file of a stored bundle by name; IntegrityError when the manifest is not there."""
    found: dict[str, str] = json.loads(get_object(store, digest))
    return found


def read_bundle(archive: Archive, model: str, digest: str, where: str) -> dict[str, bytes]:
    """Return the files of a stored bundle with its signature, each checked against its own digest.

    Raises IntegrityError that names the object which is gone or was changed.
    """
    try:
        parts = bundle_objects(archive.store, digest).items()
        files = {name: get_object(archive.store, part) for name, part in parts}
    except IntegrityError as error:
        raise IntegrityError(f"The bundle of {where} was not loaded. {error}") from None
    signature = archive.store.get(signature_key(model, digest))
    return files if signature is None else {**files, SIGNATURE: signature}


def open_bundle(archive: Archive, model: str, version: int, digest: str) -> Bundle:
    """Return a version's bundle as it lies in the store now, digest and signature checked before it is parsed."""
    where = f"{model} v{version}"
    files = read_bundle(archive, model, digest, where)
    return load_bundle(files, model, digest, archive.seal, where)


def fetch_bundle(workspace: Workspace, model: str, version: int, digest: str) -> Bundle:
    """Return a version's bundle like `open_bundle`; one that this process has checked before is not read again."""
    return _fetched(workspace.archive, model, version, digest)


@lru_cache(maxsize=KEPT_IN_MEMORY)
def _fetched(archive: Archive, model: str, version: int, digest: str) -> Bundle:
    return open_bundle(archive, model, version, digest)
