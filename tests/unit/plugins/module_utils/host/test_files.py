# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a server come back as they were written."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.host.files import check, read, write
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import FileState, Wanted

OWNER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
any_text = st.text(st.characters(codec="utf-8")) | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))


@given(any_text)
def test_what_was_written_is_read_again(tmp_path_factory, content: str) -> None:  # type: ignore[no-untyped-def]
    """Also with CRLF, a lone carriage return, or bytes that are no UTF-8: otherwise the second run writes the file again."""
    wanted = Wanted(str(tmp_path_factory.getbasetemp() / "file"), FileState(content, OWNER, GROUP, 0o600))
    write(wanted)
    assert read(wanted.path).content == content


def test_the_program_that_judges_sees_the_very_content(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def run(argv: object) -> tuple[int, str]:
        seen.append(Path(str(list(argv)[-1])).read_bytes())  # type: ignore[call-overload]
        return 0, ""

    check(Wanted(str(tmp_path / "file"), FileState("a\r\nb\n", OWNER, GROUP, 0o600), validate=("judge", "%s")), run)
    assert seen == [b"a\r\nb\n"]
