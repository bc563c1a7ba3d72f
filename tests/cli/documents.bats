#!/usr/bin/env bats
# Documents that have to keep up with the code, and scripts that have to be clean.

setup() { cd "$BATS_TEST_DIRNAME/../.."; }

# The keys of the table in definition.c.
definition_keys() { grep -oE '((SUB)?FIELD|COLUMN|OPTION)\("[a-z-]+"' src/build/definition.c | cut -d'"' -f2 | sort -u; }

@test "docs/definition.md has every key of a definition, and its required ones as such" {
	local key
	[ "$(definition_keys | wc -l)" -ge 20 ]
	for key in $(definition_keys) $(sed -n 's/.*requirements\[\] = {\(.*\), NULL};/\1/p' src/build/definition.c | tr -d '",'); do
		grep -q "\`$key\`" docs/definition.md || { echo "$key is missing"; return 1; }
	done
	for key in $(tr '\n' ' ' <src/build/definition.c | grep -oE 'SUBFIELD\("[a-z-]+"|(FIELD|COLUMN)\("[a-z-]+",[^;{}()]*\.required = true' |
		grep -oE '^((SUB)?FIELD|COLUMN)\("[a-z-]+"' | cut -d'"' -f2 | sort -u); do
		grep -qE "^(\| )?\`$key\` (\| required|\(required\))" docs/definition.md || { echo "$key is required"; return 1; }
	done
}

@test "docs/definition.md has no key that a definition does not have" {
	local key
	for key in $(sed -nE 's/^\| `([a-z-]+)` \|.*/\1/p' docs/definition.md); do
		definition_keys | grep -qx -- "$key" || { echo "$key is none"; return 1; }
	done
}

# By Debian's Python, whatever else is called so here.
judge_definition() {
	/usr/bin/python3 -c 'import json, jsonschema, sys, yaml
jsonschema.Draft202012Validator.check_schema(json.load(open(sys.argv[1])))
jsonschema.validate(yaml.safe_load(sys.stdin), json.load(open(sys.argv[1])), jsonschema.Draft202012Validator)' docs/definition.schema.json 2>&1
}

# One that is changed by sed, without files and programs, and what orlop says of it: it has no archive.
change_definition() {
	sed '/^files:/d; /^programs:/d' editions/container-linux.yaml >"$BATS_TEST_TMPDIR/good.yaml"
	sed "$1" "$BATS_TEST_TMPDIR/good.yaml" >"$BATS_TEST_TMPDIR/changed.yaml"
	! cmp -s "$BATS_TEST_TMPDIR/good.yaml" "$BATS_TEST_TMPDIR/changed.yaml" || { echo "nothing changed: $1"; return 1; }
	run "$ORLOP" build "$BATS_TEST_TMPDIR/changed.yaml" --offline --keys none --cache "$BATS_TEST_TMPDIR/none"
	[ "$status" = 1 ]
}

@test "docs/definition.schema.json is what orlop build --schema prints, and judges as orlop does" {
	local change
	"$ORLOP" build --schema | diff docs/definition.schema.json -
	for edition in editions/*.yaml docs/examples/*/*.yaml; do judge_definition <"$edition"; done
	# One that extends another needs nothing but a name.
	printf 'extends: container-linux\nname: x\npackages: [vim]\nkernel: {modules: [a]}\nwithout: {units: [b], initrd: {modules: [c]}}\n' | judge_definition
	! printf 'extends: container-linux\npackages: [vim]\n' | judge_definition || return 1
	# What neither takes.
	while read -r change; do
		change_definition "$change"
		! judge_definition <"$BATS_TEST_TMPDIR/changed.yaml" || { echo "the schema takes $change"; return 1; }
		[[ $output == *changed.yaml:* ]] || { echo "$change: $output"; return 1; }
	done <<-'END'
		s/^name:/nome:/
		s/^name: .*/name: X_1/
		s/^name: .*/name: true/
		s/^title: .*/title: ~/
		s/^title: .*/title: "a $x"/
		s/^suite:.*//
		s/^suite: .*/suite: ..\/x/
		s/^components:.*/components: main/
		s/^components:.*/components: [a.b]/
		s/^  - bash$/  - Bash/
		s/^  - bash$/  - ..\/x/
		s/^  - bash$/  - "bash=1 2"/
		s/^  - runit-helper$/  - --runit-helper/
		s/^  - systemd-boot-efi$/  - systemd-boot_efi/
		s/^  etc.resolv.conf:/  \/etc\/resolv.conf:/
		s/^  etc.resolv.conf:/  opt\/x:/
		s/^  vm.max_map_count:/  vm.max map count:/
		s/^  vm.max_map_count: .*/  vm.max_map_count: "1\\n2"/
		s/^  ssh.service: enable/  ssh.service: start/
		s/^  ssh.service:/  ssh:/
		s/^  - usr.bin.su .*/  - \/usr\/bin\/su/
		s/^  sshd: .*/  sshd: abc/
		s/^  sshd: .*/  sshd: 1000/
		s/^  sshd: .*/  s shd: 10/
		s/^  orlop-fetch: {.*/  orlop-fetch: {description: "a:b"}/
		s/^  orlop-fetch: {.*/  orlop-fetch: {description: a, home: var}/
		s/^  orlop-fetch: {.*/  orlop-fetch: {description: a, groups: [1a]}/
		s/^  orlop-fetch: {.*/  orlop-fetch: {shell: b}/
		s/^  orlop-fetch: {/  1a: {/
		s/^    - quiet$/    - usrhash=abc/
		s/^    - quiet$/    - quiet please/
		s/^    - quiet$/    - quiet [mips]/
		s/^  usr: .*/  usr: [1G]/
		s/^  usr: .*/  usr: 1GB/
		s/^require: .*/require: [tpm3]/
		s/^kernel:/kernel: 7\nx:/
		$a without: {suite: [x]}
		$a compression: gzip
		$a compression: zstd:99
		$a sources: {Foo!: {url: a, suite: s, keyring: k, packages: [p]}}
		$a sources: {a: {url: "ftp://x", suite: s, keyring: k, packages: [p]}}
		$a sources: {a: {url: a, suite: ../s, keyring: k, packages: [p]}}
		$a sources: {a: {url: a, suite: s, keyring: k, packages: []}}
		$a sources: {a: {url: a, suite: s, keyring: k, packages: [P]}}
	END
	# What the program alone can refuse: sizes are texts as well, which a pattern can't compare, and YAML has hexadecimal numbers.
	while read -r change; do
		change_definition "$change"
		judge_definition <"$BATS_TEST_TMPDIR/changed.yaml" || { echo "the schema refuses $change: say so in docs/definition.md"; return 1; }
		[[ $output == *changed.yaml:*': disk: '*': must be a'* ]] || { echo "$change: $output"; return 1; }
	done <<-'END'
		s/^  esp: .*/  esp: 63M/
		s/^  esp: .*/  esp: 65/
		s/^  esp: .*/  esp: 67108865/
		s/^  esp: .*/  esp: 0x10000000/
		s/^  usr: .*/  usr: 4096G/
	END
	# What both take.
	while read -r change; do
		change_definition "$change"
		judge_definition <"$BATS_TEST_TMPDIR/changed.yaml" || { echo "the schema refuses $change"; return 1; }
		[[ $output != *changed.yaml:* ]] || { echo "$change: $output"; return 1; }
	done <<-'END'
		s/^name: .*/name: 7/
		s/^title: .*/title: 1.5/
		s/^title: .*/title: "~"/
		s/^  - bash$/  - bash=5.2.37-2/
		s/^  - bash$/  - 2048/
		s/^  vm.max_map_count: .*/  vm.max_map_count: -1/
		s/^  sshd: .*/  sshd: "010"/
		s/^    - quiet$/    - 3/
		s/^  usr: .*/  usr: 1GiB/
		s/^  usr: .*/  usr: 1073741824/
		$a compression: lz4hc:12
	END
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
	# tools/torture is Python.
	mapfile -t tools < <(grep -LE '^#!.*python' tools/*)
	[ ${#tools[@]} -ge 10 ]
	shellcheck -x "${tools[@]}" tests/torture/make-archive docs/examples/*/make-repository tests/lib/*.bash tests/vm/{build-image,build-releases,guest-init,power-cuts}
}

@test "no check of a test is one that bash's -e passes over" {
	local script=tests/analysis/passed-over.awk
	awk -f $script tests/*/*.bats tests/lib/*.bash
	cat >"$BATS_TEST_TMPDIR/wrong" <<-'END'
		[ a ] && [ b ]
		[[ a && b ]] && grep "x && y" z
		a && b &&
		c
		for i in 1 2; do a && b; done
		{ a && b; } >c
		{
		a && b
		} | c
		! grep x y
		d
	END
	cat >"$BATS_TEST_TMPDIR/right" <<-'END'
		[ a ] && [ b ] || return 1
		! grep x y || return 1
		[[ a && b ]]
		(a && b)
		a="$(b && c)" # && d
		if a && b; then c; fi
		while a &&
		b && c; do d; done
		a && break
		f() { a && b; }
		f() {
		a &&
		b && c
		}
		cat <<-EOF
		a && b
		EOF
		g
	END
	run awk -f $script "$BATS_TEST_TMPDIR/wrong"
	[ "$status" = 1 ]
	[ "$(cut -d: -f2 <<<"$output" | tr '\n' ' ')" = '1 2 3 5 6 8 10 ' ]
	awk -f $script "$BATS_TEST_TMPDIR/right"
}
