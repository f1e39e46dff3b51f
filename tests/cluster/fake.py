"""sbatch, squeue and scancel in a few lines of shell, which do to a task what a file says: for the logic."""

from __future__ import annotations

from pathlib import Path

SBATCH = r"""#!/bin/bash
[[ -z $(cat refuse 2>/dev/null) ]] || { cat "$dir/refuse" >&2; exit 1; }
id=$(( $(cat "$dir/last" 2>/dev/null || echo 100) + 1 ))
echo $id >"$dir/last"
cat >"$dir/$id.sh"
printf '%s\n' "$@" >"$dir/$id.options"
last=$(sed -nE 's/^--array=0-([0-9]+)(%.*)?$/\1/p' "$dir/$id.options")
for (( i = 0; i <= last; i++ )); do echo PENDING >"$dir/$id.$i"; done
(
  for (( i = 0; i <= last; i++ )); do
    how=$(sed -nE "s/^$id:$i //p" "$dir/how" 2>/dev/null)
    export SLURM_ARRAY_TASK_ID=$i SLURM_JOB_ID=$id
    case $how in
      nothing) echo FAILED >"$dir/$id.$i" ;;  # as on a node that does not see the folder
      wait) ;;
      twice) bash "$dir/$id.sh" & bash "$dir/$id.sh"; wait; echo COMPLETED >"$dir/$id.$i" ;;
      [A-Z]*) echo "$how" >"$dir/$id.$i" ;;
      *) echo RUNNING >"$dir/$id.$i"
         if bash "$dir/$id.sh"; then echo COMPLETED; else echo FAILED; fi >"$dir/.$id.$i"
         mv "$dir/.$id.$i" "$dir/$id.$i" ;;
    esac
  done
) </dev/null >/dev/null 2>&1 &
echo $id
"""

SQUEUE = r"""#!/bin/bash
[[ ! -e silent ]] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
while (( $# )); do [[ $1 != -j ]] || jobs=$2; form=${*: -1}; shift; done
for id in ${jobs//,/ }; do
  [[ $form != %A ]] || { ! grep -qsE 'PENDING|RUNNING' "$dir/$id".[0-9]* || echo "$id"; continue; }
  for file in "$dir/$id".[0-9]*; do echo "$id|${file##*.}|$(cat "$file")|node1"; done
done
"""

SCANCEL = r"""#!/bin/bash
printf '%s\n' "$@" >>"$dir/cancelled"
"""


class FakeSlurm:
    """The commands in ``folder``, and what they were told."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
            path = folder / "bin" / name
            path.write_text(text.replace("\n", f"\ndir='{folder}'\ncd \"$dir\"\n", 1))
            path.chmod(0o755)

    def does(self, *lines: str) -> None:
        """``101:0 TIMEOUT``: the first task of the first job ends so; see SBATCH."""
        (self.folder / "how").write_text("".join(f"{line}\n" for line in lines))

    def options(self, job: int = 101) -> list[str]:
        return (self.folder / f"{job}.options").read_text().splitlines()

    @property
    def jobs(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.options"))
