"""Small changes of the package: which there are, and a random sample of them."""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pyg_equivariant"
BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul "
BINARY += "BitOr_BitAnd BitAnd_BitOr LShift_RShift RShift_LShift"
COMPARISON = "Eq_NotEq NotEq_Eq Lt_LtE LtE_Lt Gt_GtE GtE_Gt Is_IsNot IsNot_Is"
UNARY = "USub_UAdd Delete_Not Delete_Invert"
OTHERS = "NumberReplacer AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue "
OTHERS += "ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
OTHERS += "ReplaceContinueWithBreak ExceptionReplacer ZeroIterationForLoop"


class LeaveOut(Operator):
    """A call, an error or an update that is a whole statement becomes ``pass``."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        whole = node.parent is not None and node.parent.type == "simple_stmt"
        called = node.type in {"atom_expr", "raise_stmt"}
        update = node.type == "expr_stmt" and len(node.children[1].get_code(False)) > 1
        if whole and (called or (update and node.children[1].type == "operator")):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        first = node.get_first_leaf()
        return parso.python.tree.Keyword("pass", node.start_pos, first.prefix)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class Mutant(NamedTuple):
    """One change: where, what the lines were and are, and the whole new text."""

    module: str
    line: int
    before: str
    after: str
    text: str


class Site(NamedTuple):
    """Where an operator of Cosmic Ray changes a module."""

    rank: bytes
    path: Path
    operator: Operator
    occurrence: int


def sample(place: str, count: int, seed: int) -> list[Mutant]:
    """Mutants of a folder or file of the package: ``count``, or all if there are fewer.

    A mutant is drawn by a digest of the seed, its line and its operator: changes of
    other lines hardly change the sample.
    """
    path = PACKAGE / place
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    sites = sorted(
        (s for file in files for s in _sites(file, seed)), key=lambda s: s[0]
    )
    made = filter(None, map(_mutant, sites))
    return sorted(mutant for mutant, _ in zip(made, range(count), strict=False))


def _operators() -> Iterator[Operator]:
    names = [f"ReplaceBinaryOperator_{name}" for name in BINARY.split()]
    names += [f"ReplaceComparisonOperator_{name}" for name in COMPARISON.split()]
    names += [f"ReplaceUnaryOperator_{name}" for name in UNARY.split()]
    yield from (get_operator(f"core/{name}")() for name in names + OTHERS.split())
    yield LeaveOut()


def _sites(path: Path, seed: int) -> Iterator[Site]:
    source = path.read_text("utf-8")
    lines, module = source.splitlines(), path.relative_to(PACKAGE).as_posix()
    excluded = list(_left_alone(ast.parse(source)))
    nodes = list(ast_nodes(get_ast(source)))
    alike: Counter[str] = Counter()
    for operator in _operators():
        starts = (s for node in nodes for s, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(starts):
            line, name = lines[start[0] - 1], type(operator).__name__
            column = start[1] - len(line) + len(line.lstrip())
            identity = f"{seed} {module} {name} {column} {line.strip()}"
            alike[identity] += 1
            rank = sha256(f"{identity} {alike[identity]}".encode()).digest()
            if not any(
                _within(start, part) and not any(_within(start, k) for k in kept)
                for part, kept in excluded
            ):
                yield Site(rank, path, operator, occurrence)


def _left_alone(tree: ast.AST) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Parts without mutants: annotations, error texts; each with exceptions in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            header = ast.Pass(lineno=node.lineno, col_offset=node.col_offset)
            header.end_lineno = node.body[0].lineno
            header.end_col_offset = node.body[0].col_offset
            defaults = filter(None, (*node.args.defaults, *node.args.kw_defaults))
            yield header, tuple(defaults)
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation, ()
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield node.exc, ()
        elif isinstance(node, ast.Assert | ast.JoinedStr):
            yield node, ()
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
            yield from ((part, ()) for part in (*node.args, *node.keywords))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield node, ()


def _within(position: tuple[int, int], part: Any) -> bool:
    start = part.lineno, part.col_offset
    return start <= position < (part.end_lineno, part.end_col_offset)


def _mutant(site: Site) -> Mutant | None:
    """The mutant of a site; none where it would be no Python."""
    _, path, operator, occurrence = site
    source = path.read_text("utf-8")
    text = mutate_code(source, operator, occurrence)
    try:
        compile(text, str(path), "exec")
    except SyntaxError:
        return None
    old, new = source.splitlines(), text.splitlines()
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    _, a, b, c, d = next(change for change in changes if change[0] != "equal")
    before, after = (" ".join(map(str.strip, x)) for x in (old[a:b], new[c:d]))
    return Mutant(path.relative_to(PACKAGE).as_posix(), a + 1, before, after, text)
