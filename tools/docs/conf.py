# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx: the guides of docs/ and the pages antsibull-docs makes of plugins and roles. Nothing is fetched while it builds."""

project = "quetrex.platform"
project_copyright = "2026, Quetrex"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "furo"
html_title = "quetrex.platform"
html_show_sphinx = False
html_copy_source = False
highlight_language = "YAML+Jinja"
pygments_style = "ansible"
default_role = "any"
myst_heading_anchors = 3
# pages of ansible itself, which antsibull-docs refers to and which are not fetched
suppress_warnings = ["ref.ref", "ref.any", "intersphinx.external"]
