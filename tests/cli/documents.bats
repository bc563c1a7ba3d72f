#!/usr/bin/env bats
# Documents that have to keep up with the code, and scripts that have to be clean.

setup() { cd "$BATS_TEST_DIRNAME/../.."; }

# The keys of the table in definition.c.
definition_keys() { grep -oE '(SUB)?FIELD\("[a-z-]+"' src/build/definition.c | cut -d'"' -f2 | sort -u; }

@test "docs/definition.md has every key of a definition, and its required ones as such" {
	local key
	[ "$(definition_keys | wc -l)" -ge 20 ]
	for key in $(definition_keys) $(sed -n 's/.*requirements\[\] = {\(.*\), NULL};/\1/p' src/build/definition.c | tr -d '",'); do
		grep -q "\`$key\`" docs/definition.md || { echo "$key is missing"; return 1; }
	done
	for key in $(tr '\n' ' ' <src/build/definition.c | grep -oE 'SUBFIELD\("[a-z-]+"|FIELD\("[a-z-]+",[^;{}]*\.required = true' |
		grep -oE '^(SUB)?FIELD\("[a-z-]+"' | cut -d'"' -f2 | sort -u); do
		grep -qE "^(\| )?\`$key\` (\| required|\(required\))" docs/definition.md || { echo "$key is required"; return 1; }
	done
}

@test "docs/definition.md has no key that a definition does not have" {
	local key
	for key in $(sed -nE 's/^\| `([a-z-]+)` \|.*/\1/p' docs/definition.md); do
		definition_keys | grep -qx -- "$key" || { echo "$key is none"; return 1; }
	done
}

# The keys of the tables in node-config.c.
node_keys() { grep -oE '(FIELD|DATE)\([a-z_]+, *"[a-zA-Z]+"|INTERVAL\("[a-zA-Z]+"' src/update/node-config.c | cut -d'"' -f2 | sort -u; }

@test "orlop-node.yaml(5) has the keys of node.yaml, and no others" {
	[ "$(node_keys | wc -l)" -ge 25 ]
	diff <(node_keys) <(grep -oE '\*[a-zA-Z]+:\*' docs/man/orlop-node.yaml.5.scd | tr -d '*:' | sort -u)
}

@test "a file that a document or a comment sends the reader to is there" {
	local file
	for file in $(git ls-files | xargs grep -ohE '\bdocs/[a-z0-9/-]+\.md\b' -- | sort -u); do
		[ -e "$file" ] || { echo "$file is missing"; return 1; }
	done
}

@test "shellcheck has nothing to say" {
	shellcheck -x tools/* tests/lib/*.bash tests/vm/{build-image,build-releases,guest-init,power-cuts}
}
