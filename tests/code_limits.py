"""The limits that the code keeps: python -m tests.code_limits prints what they come to, and fails where one is passed.

A function is at most 60 lines long (decorators and docstring included) and takes at most six parameters (self and cls
not counted); train_classifier.py has at most 250 lines; imports point downwards (import-linter's layers, in
pyproject.toml). Left out are the functions that draw the demo's coccoliths, which are lists of shapes, and Triton's
kernels, which take each tensor's address and each size by itself.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LEFT_OUT = {"demo/coccoliths.py", "demo/families.py", "demo/microscope.py", "models/fused_pooling.py"}
LINES, PARAMETERS, SCRIPT_LINES = 60, 6, 250


@dataclass(frozen=True)
class Function:
    """A function of the project: where it is, how long, and how many parameters it takes."""

    place: str
    lines: int
    parameters: int


def functions(file: Path) -> Iterator[Function]:
    """Yield the functions and methods of a file, nested ones too."""
    name = file.relative_to(TOP).as_posix()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            counted = [argument for argument in given if argument.arg not in ("self", "cls")]
            yield Function(f"{name}:{node.lineno} {node.name}", node.end_lineno - first + 1, len(counted))


def main() -> int:
    """Print the figures; return 1 where a limit is passed, else 0."""
    files = [
        path for path in TOP.rglob("*.py") if not any(part.startswith(".") for part in path.parts[len(TOP.parts) :])
    ]
    found = [each for path in files if path.relative_to(TOP).as_posix() not in LEFT_OUT for each in functions(path)]
    longest = max(found, key=lambda function: function.lines)
    widest = max(found, key=lambda function: function.parameters)
    script = len((TOP / "train_classifier.py").read_text(encoding="utf-8").splitlines())
    print(f"longest function: {longest.lines} lines ({longest.place}); at most {LINES}")
    print(f"most parameters: {widest.parameters} ({widest.place}); at most {PARAMETERS}")
    print(f"train_classifier.py: {script} lines; at most {SCRIPT_LINES}", flush=True)
    for function in found:
        if function.lines > LINES or function.parameters > PARAMETERS:
            print(f"  over: {function.place} ({function.lines} lines, {function.parameters} parameters)")
    kept = longest.lines <= LINES and widest.parameters <= PARAMETERS and script <= SCRIPT_LINES
    layers = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=TOP)
    return 0 if kept and layers.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
