"""%ctracemalloc STATEMENT: runs one statement in a scope, as %time does.

Model: the statement is compiled under a name of IPython's for code of this cell, so that its lines have a source. An expression
is evaluated and its value returned, which IPython displays and stores as it does a cell's.
"""

import ast
from types import CodeType
from typing import Any

from ..scopes import scope


def compiled(shell: Any, text: str) -> tuple[CodeType, bool]:
    """The code, and whether it is an expression. SyntaxError."""
    source = shell.transform_cell(text)
    number = getattr(shell.displayhook.exec_result, "execution_count", None)  # of the cell that runs
    name = shell.compile.cache(source, shell.execution_count if number is None else number, raw_code=text)
    tree = shell.transform_ast(shell.compile.ast_parse(source, name))
    flags = shell.compile.flags
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        return compile(ast.Expression(tree.body[0].value), name, "eval", flags, dont_inherit=True), True
    return compile(tree, name, "exec", flags, dont_inherit=True), False


def run(shell: Any, code: CodeType, is_expression: bool, local: dict[str, Any] | None, one: scope) -> Any:
    """Returns the value of an expression. What the statement raises is raised when the scope has ended."""
    names = shell.user_ns
    with one:
        if is_expression:
            return eval(code, names, local)
        exec(code, names, local)
        return None
