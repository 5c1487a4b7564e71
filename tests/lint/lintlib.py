# SPDX-License-Identifier: Apache-2.0
"""What several lint tests share: the table of rooms, the files to look at, and a view of C without comments.

LINT_ROOT names another tree to look at; selftest uses it. Findings are lines "file:line: text" on
stdout, and the exit code is 1 when there are any.
"""
import os
import re
import subprocess
import sys

ROOT = os.environ.get("LINT_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The rooms of src/, lowest first, each with the rooms that it may include and link. A room may always use
# itself. Nothing else is allowed: a new edge is a decision about the design, made here.
ROOMS = {
    "base": [],
    "conf": ["base"],
    "json": ["base"],
    "event": ["base", "json"],
    "http": ["base"],
    "journal": ["base", "event"],
    "kafka": ["base", "event"],
    "gladly": ["base", "json", "http", "event"],
    "relay": ["base", "event", "http", "journal", "kafka", "gladly"],
    "api": ["base", "conf", "json", "event", "http", "journal", "relay"],
    "cli": ["base", "conf", "json", "event", "http", "journal", "kafka", "gladly", "relay", "api"],
}

# Of a room that it may include, a room may need only names that begin so: api reads the journal and carries out operators' actions
# in jobs of the committer, but can neither open it for writing nor begin or commit anything.
NARROW = {("api", "journal"): ("journal_read", "journal_row_free", "journal_list", "journal_fate_name", "journal_figures",
                               "journal_id", "journal_select", "action_", "replays_")}

# Each foreign library has one door: the only room that may include its headers (a pattern for the
# name between < and >) or use its symbols (their prefixes).
DOORS = [
    ("base", r"sodium\.h|sodium/.*", ["sodium_", "crypto_", "randombytes"]),
    ("base", r"pthread\.h|threads\.h|semaphore\.h", ["pthread_", "thrd_", "mtx_", "cnd_", "tss_", "sem_"]),
    ("conf", r"ini\.h", ["ini_"]),
    ("json", r"cjson/.*", ["cJSON_"]),
    ("http", r"microhttpd\.h", ["MHD_"]),
    ("http", r"gnutls/.*", ["gnutls_"]),  # what libmicrohttpd's TLS is made of
    ("http", r"curl/.*", ["curl_"]),
    ("journal", r"sqlite3(ext)?\.h", ["sqlite3_"]),
    ("kafka", r"librdkafka/.*", ["rd_kafka_"]),
]

# Headers of the language, the compiler, the C library and the kernel: open to every room.
SYSTEM_HEADERS = re.compile(
    r"(assert|ctype|errno|float|inttypes|limits|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef"
    r"|stdint|stdio|stdlib|stdnoreturn|string|time"  # C11
    r"|dirent|dlfcn|fcntl|fnmatch|getopt|glob|grp|ifaddrs|libgen|netdb|poll|pwd|regex|sched|spawn|strings"
    r"|syslog|termios|ucontext|unistd|byteswap|endian|execinfo|malloc)\.h"  # POSIX and glibc
    r"|(arpa|asm|linux|net|netinet|sys)/.*\.h"
    r"|[a-z]mmintrin\.h|arm_neon\.h"  # the compiler's vector instructions
)


def tracked_files():
    """Paths of the tree's own files, relative to the root: known to git or not ignored by it."""
    listing = None
    if os.path.exists(os.path.join(ROOT, ".git")):
        command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    else:
        listing = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if not (folder == ROOT and name == "build")]
            listing += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(path for path in set(listing) if path and os.path.isfile(os.path.join(ROOT, path)))


def c_files(*folders):
    return [
        path
        for path in tracked_files()
        if path.endswith((".c", ".h")) and path.split("/", 1)[0] in folders
    ]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


_TOKEN = re.compile(
    r"""//(?:\\\n|[^\n])*      # comment to the end of the line
      | /\*.*?(?:\*/|\Z)       # comment in the C way
      | "(?:\\.|[^"\\\n])*"    # text
      | '(?:\\.|[^'\\\n])*'    # character
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(match):
    text = match.group()
    if text[0] == "/":
        return re.sub(r"[^\n]", " ", text)
    return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[-1]


def code_only(text):
    """The same text with comments and the insides of literals blanked; every line keeps its number."""
    return _TOKEN.sub(_blank, text)


def without_comments(text):
    return _TOKEN.sub(lambda match: _blank(match) if match.group()[0] == "/" else match.group(), text)


def is_script(path):
    return read_start(path).startswith("#!")


def read_start(path):
    with open(os.path.join(ROOT, path), "rb") as stream:
        return stream.read(256).decode("utf-8", "replace")


class Findings:
    def __init__(self, name):
        self.name = name
        self.count = 0

    def add(self, path, line, text):
        self.count += 1
        print(f"{path}:{line}: {text}")

    def finish(self, seen):
        """Ends the program. Having seen nothing is no success: then the lint looked in the wrong place."""
        if seen == 0:
            print(f"{self.name}: found nothing to look at under {ROOT}")
            sys.exit(1)
        if self.count:
            print(f"{self.name}: {self.count} findings in {seen} files")
            sys.exit(1)
        print(f"{self.name}: ok, {seen} files")
