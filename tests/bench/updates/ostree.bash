# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# (d) OSTree: the same files in a repository, pulled as changed files and as a static delta. It writes files, not an image.

ostree_commit() { # REPOSITORY IMAGE
	local tree
	tree=$(mktemp -d "$out/tree-XXXXXX")
	fsck.erofs --extract="$tree/usr" "$2" >/dev/null
	ostree --repo="$1" commit --branch=usr --tree=dir="$tree/usr" --owner-uid=0 --owner-gid=0 --no-xattrs --timestamp=@0 >/dev/null
	rm -rf "$tree"
}
ostree_repository() { # FOLDER
	ostree --repo="$1" init --mode=archive
	ostree --repo="$1" config set core.fsync false
	ostree_commit "$1" "$old"
	ostree_commit "$1" "$new"
	ostree --repo="$1" static-delta generate --from='usr^' --to=usr --min-fallback-size=0 >/dev/null
	ostree --repo="$1" summary --update
}
ostree_prepare() { once "$made/ostree" ostree_repository; }

# A node's repository, which has the old files.
ostree_node() {
	rm -rf "$out/ostree-node"
	ostree --repo="$out/ostree-node" init --mode=bare-user-only
	ostree --repo="$out/ostree-node" pull-local "$made/ostree" "$(ostree --repo="$made/ostree" rev-parse 'usr^')" >/dev/null
	ostree --repo="$out/ostree-node" remote add --no-gpg-verify server "$nginx_url/$place/ostree"
	sync
}
ostree_check() { ostree --repo="$out/ostree-node" ls -R server:usr >/dev/null && ostree --repo="$out/ostree-node" fsck -q >/dev/null; }
ostree_measure() {
	local before=ostree_node
	measure ostree_static ostree_check ostree --repo="$out/ostree-node" pull --require-static-deltas server usr
	# OSTree 2022.7 fetches objects besides that the delta has as well: so that the delta is not blamed, its own size, too.
	find "$made/ostree/deltas" -type f -printf '%s\n' | jq -s --arg pair "$pair" \
		'{pair: $pair, method: "ostree_delta", wire: {bytes: add, requests: length}}' >"$out/results/$pair.ostree_delta.json"
	measure ostree ostree_check ostree --repo="$out/ostree-node" pull --disable-static-deltas server usr
	rm -rf "$out/ostree-node"
}
