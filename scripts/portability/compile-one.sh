#!/usr/bin/env bash
# A compiler on one file: `compile-one.sh COMMAND... FILE`, on standard input unless one of the words is `{}`. Prints what
# the compiler says if it fails. For scripts/test-portability.sh.
set -uo pipefail
file=${!#}
set -- "${@:1:$#-1}"
words=() named=
for word in "$@"; do
    if [[ "$word" == "{}" ]]; then
        words+=("$file") named=1
    else
        words+=("$word")
    fi
done
input=$file
[[ -z "$named" ]] || input=/dev/null
if ! said=$("${words[@]}" <"$input" 2>&1 >/dev/null); then
    echo "$file: $said" >&2
    # glslang says on standard output what is wrong.
    [[ -z "$named" ]] || "${words[@]}" >&2
    exit 1
fi
