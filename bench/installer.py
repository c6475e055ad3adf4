"""The installer: all configs of a new cluster, keys included."""
import shutil

import process


def run_create(build, runs, scratch):
    """`basalt create ignition-configs` in an empty directory."""
    example = build.parent / "examples/install-config.yaml"
    cluster = scratch / "cluster"

    def fresh():
        shutil.rmtree(cluster, ignore_errors=True)
        cluster.mkdir()
        shutil.copy(example, cluster / "install-config.yaml")
    argv = [build / "src/installer/basalt", "create", "ignition-configs", "--dir", cluster]
    [sample] = process.sides_compare([process.Side(argv, fresh)], runs, scratch)
    process.table_print(["work", "CPU ms", "asked", "peak MiB", "wall ms"], [
        ["create ignition-configs", f"{sample.cpu_ms:.0f}", "300", f"{sample.peak_mib:.1f}", f"{sample.wall_ms:.0f}"]])
