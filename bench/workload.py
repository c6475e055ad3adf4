"""What is measured: the same bytes at every run, written below a directory of the caller."""
import base64
import gzip
import hashlib
import json
import pathlib
import random
import string
import urllib.parse

SPEC = {"version": "3.3.0"}  # the newest that Ignition 2.14 takes
FILE_COUNTS = (1, 1000, 10000)
BLOB_SIZE = 64 << 20


def small_files(count):
    """`count` files of 64 random bytes each, spread over a hundred directories."""
    source = random.Random(f"small files {count}")
    for i in range(count):
        yield {"path": f"/srv/data/{i // 7 % 100:02}/entry-{i:05}", "mode": 0o644,
               "contents": {"source": "data:;base64," + base64.b64encode(source.randbytes(64)).decode()}}


def text_lines(source, size):
    """Text that looks like the configuration files of a rendered config, much of it escaped in a URL."""
    alphabet = string.ascii_lowercase + " ={}:\"\n#/"
    return "".join(source.choices(alphabet, k=size))


def rendered_config(files, file_size, units):
    """Shaped like what a pool of machines gets: files as percent-encoded data URLs, and enabled units."""
    source = random.Random(f"rendered {files} {units}")
    padding = "# what the unit is for\n" * 20
    return {
        "ignition": SPEC,
        "storage": {"files": [
            {"path": f"/etc/kubernetes/manifest-{i:03}.yaml", "mode": 0o600, "overwrite": True,
             "contents": {"source": "data:," + urllib.parse.quote(text_lines(source, file_size))}}
            for i in range(files)]},
        "systemd": {"units": [
            {"name": f"part-{i:03}.service", "enabled": True,
             "contents": f"{padding}[Unit]\nDescription=Part {i}\n\n[Service]\nExecStart=/usr/bin/true\n\n"
                         "[Install]\nWantedBy=multi-user.target\n"}
            for i in range(units)]},
    }


def blob():
    """64 MiB that deflate to a little more than half: hexadecimal digits of random bytes."""
    return random.Random("blob").randbytes(BLOB_SIZE // 2).hex().encode()


def blob_config(base_url, name, digest):
    contents = {"source": f"{base_url}/{name}", "verification": {"hash": "sha512-" + digest}}
    if name.endswith(".gz"):
        contents["compression"] = "gzip"
    return {"ignition": SPEC, "storage": {"files": [{"path": "/opt/blob", "mode": 0o644, "contents": contents}]}}


def write_config(path, config):
    path.write_text(json.dumps(config))
    return path


def write_configs(directory):
    """The configs that need no network, by name."""
    directory.mkdir()
    configs = {f"{n:,} file{'s' if n > 1 else ''}": {"ignition": SPEC, "storage": {"files": list(small_files(n))}}
               for n in FILE_COUNTS}
    configs["3 MB"] = rendered_config(215, 8192, 120)
    return {name: write_config(directory / f"{i}.ign", config) for i, (name, config) in enumerate(configs.items())}


def write_blobs(directory):
    """The blob, plain and compressed; returns the digest of the plain one."""
    directory.mkdir()
    data = blob()
    (directory / "blob").write_bytes(data)
    (directory / "blob.gz").write_bytes(gzip.compress(data, 6, mtime=0))
    return hashlib.sha512(data).hexdigest()


def write_machine_config(directory: pathlib.Path):
    """A pool `worker` whose rendered config has about 94 KB, as the config server reads it."""
    (directory / "machine-pools").mkdir(parents=True)
    (directory / "machine-configs").mkdir()
    (directory / "machine-pools/worker.yaml").write_text(json.dumps(
        {"metadata": {"name": "worker"}, "status": {"configuration": {"name": "rendered-worker-1"}}}))
    config = {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
              "metadata": {"name": "rendered-worker-1"}, "spec": {"config": rendered_config(12, 4400, 24)}}
    path = directory / "machine-configs/rendered-worker-1.yaml"
    path.write_text(json.dumps(config))
    return path
