"""The scripts that let bash, zsh and fish complete a command line, and the answer that they read.

A script calls this very program with ``_CALREG_COMPLETE`` set and the words of the line. The answer is a line
``words``, ``open`` (no blank after the word) or ``files`` (let the shell name them), and below it one word on each
line, for zsh and fish with a tab and its description. Without an answer, nothing is printed.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.identifiers import escape_control_characters

if TYPE_CHECKING:
    from registry.database.completion_names import CompletionName

_TIMEOUT_SECONDS = 2.0

SCRIPTS = {
    "bash": r"""
_calreg() {
    local line sort=
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $sort ]]; then sort=$line; else COMPREPLY+=("$line"); fi
    done < <(_CALREG_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2> /dev/null)
    case $sort in
        open) compopt -o nospace 2> /dev/null ;;
        files) compopt -o default 2> /dev/null ;;
    esac
}
complete -F _calreg calreg
""",
    "zsh": r"""#compdef calreg
_calreg() {
    local -a answer values shown before
    local line
    (( CURRENT > 2 )) && before=("${(@Q)words[2,CURRENT-1]}")
    answer=("${(@f)$(_CALREG_COMPLETE=zsh "${(Q)words[1]}" "${before[@]}" "${(Q)PREFIX}" 2> /dev/null)}")
    for line in "${answer[@]:1}"; do
        values+=("${line%%$'\t'*}")
        shown+=("${line//$'\t'/  -- }")
    done
    case $answer[1] in
        files) _files ;;
        open) compadd -S '' -l -d shown -a values ;;
        words) compadd -l -d shown -a values ;;
    esac
}
if [[ $funcstack[1] == _calreg ]]; then _calreg "$@"; else compdef _calreg calreg; fi
""",
    "fish": r"""
function __calreg_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l answer (env _CALREG_COMPLETE=fish $before "$current" 2> /dev/null)
    if test "$answer[1]" = files
        __fish_complete_path "$current"
    else if set -q answer[2]
        printf "%s\n" $answer[2..-1]
    end
end
complete -c calreg -f -a '(__calreg_complete)'
""",
}


def complete_and_exit(shell: str, words: Sequence[str]) -> None:
    """Print the words that can follow, and end the process, also if a database does not answer in time."""
    thread = threading.Thread(target=_print_completions, args=(shell, words), daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    sys.stdout.flush()
    os._exit(0)


def _print_completions(shell: str, words: Sequence[str]) -> None:
    if not words:  # no script calls it like this
        return
    cut = 0
    if shell == "bash":
        words, cut = read_bash_line(*words)
    from registry.cli.completion import complete

    *before, prefix = words
    sort, names = complete(before, prefix)
    lines = [name.text[cut:] if shell == "bash" else _format_with_description(name) for name in names]
    sys.stdout.write("\n".join((sort, *lines, "")))


def _format_with_description(name: CompletionName) -> str:
    description = escape_control_characters(" ".join(name.description.split()))
    return f"{name.text}\t{description}" if description else name.text


def read_bash_line(line: str, breaks: str) -> tuple[list[str], int]:
    """Return the words of bash's line without the program, and the length of the part that bash keeps.

    bash splits words at ``=`` and ``:`` too, and replaces only the part after them.
    """
    words, raw = [""], [""]
    quote = ""
    characters = iter(line)
    for character in characters:
        if not quote and character.isspace():
            if raw[-1]:
                words.append("")
                raw.append("")
            continue
        raw[-1] += character
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "\\" and quote != "'":
            escaped = next(characters, "")
            raw[-1] += escaped
            words[-1] += escaped
        else:
            words[-1] += character
    last = raw[-1]
    quoted = not set(last).isdisjoint("'\"\\")
    cut = 0 if quoted else max((last.rfind(mark) + 1 for mark in breaks), default=0)
    while len(words) > 1 and re.match(r"[A-Za-z_][A-Za-z0-9_]*=", words[0]):
        words = words[1:]
    return words[1:] or [""], cut
