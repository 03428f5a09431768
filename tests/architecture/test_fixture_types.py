"""What a test gets says what it is."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def says_nothing(annotation: ast.expr | None) -> bool:
    """Whether a fixture is an `object`, or a tuple with one in it, or nothing that is written down."""
    match annotation:
        case None | ast.Name(id="object"):
            return True
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=elements)):
            return any(says_nothing(element) for element in elements)
    return False


def test_fixtures_have_types() -> None:
    """An `object` hides from a reader and an editor what a fixture is."""
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            is_fixture = any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
            if not (is_fixture or node.name.startswith("test_")):
                continue
            arguments = [argument for argument in node.args.args if argument.arg != "self"]
            if any(map(says_nothing, [*(argument.annotation for argument in arguments), node.returns])):
                found.append(f"{path.relative_to(TESTS)}:{node.lineno}: {node.name}")
    assert found == []
