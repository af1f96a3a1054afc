# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that connects to a database."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules that speak SQL."""

    DOCUMENTATION = r"""
options:
  host:
    description:
      - Name of the database server, or the folder of its socket.
      - For Supabase the direct host C(db.<ref>.supabase.co) (IPv6 only without the IPv4 add-on), or the session pooler.
    type: str
    required: true
  address:
    description: IP address of O(host), where its name does not resolve. The certificate is still checked against O(host).
    type: str
  port:
    description: Port of the database. Supabase's 6543 is a pooler in transaction mode and is refused where a session is needed.
    type: int
    default: 5432
  user:
    description: Name to log in with; through Supabase's shared pooler C(postgres.<ref>).
    type: str
    default: postgres
  password:
    description: The database password. It is never passed on a command line.
    type: str
  database:
    description: Name of the database.
    type: str
    default: postgres
  sslmode:
    description: How much the server's certificate is trusted, in the words of libpq. Ignored on a socket.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: verify-full
  ca_certificate:
    description:
      - The CA certificate that signs the server's, as the path of a PEM file or as the PEM itself.
      - Required with C(verify-ca) and C(verify-full), except on a socket.
    type: str
  connect_timeout:
    description: Seconds to wait for the server to answer.
    type: int
    default: 10
requirements:
  - psycopg2 >= 2.9 (or psycopg2-binary) on the controller
"""
