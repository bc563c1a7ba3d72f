#!/usr/bin/env bats
# First starts: of a machine as it comes from the shop, and of one that was given nothing.

load ../lib/image

setup() {
	cd "$BATS_TEST_TMPDIR"
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
	mkdir -m 700 run
}

teardown() { "$ORLOP" vm stop --force no-key 2>/dev/null || true; }

# Firmware in setup mode, no keys of ours: the first start enrols them from the ESP.
# bats test_tags=brief
@test "firmware in setup mode ends enrolled, with Secure Boot on and the node up" {
	run timeout 900 "$ORLOP" vm run "$(image_file .raw)" --empty-vars --serial-log log --timeout 600 \
		--exec 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c' \
		--exec 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c'
	echo "$output"
	tail -n 30 log
	[ "$status" = 0 ]
	[ "$(tr -d ' \n' <<<"$output" | tail -c 2)" = 10 ]
}

# As after `orlop keys rotate db`: the boot partition's update of db has both certificates, of one name.
@test "a machine that is given two db certificates starts what the new key has signed, and trusts both" {
	cp -r "$ORLOP_TEST_KEYS" keys
	"$ORLOP" keys rotate db --keys keys
	"$ORLOP" build container-linux --offline --quiet --keys keys --output out
	timeout 900 "$ORLOP" vm run out/*.raw --empty-vars --serial-log log --timeout 600 \
		--exec 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c' \
		--exec 'base64 -w 0 /sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f' >said
	[ "$(grep -oE '^ *[01]$' said | tr -d ' ')" = 1 ]
	# Behind the attributes come the lists.
	grep -E '^[A-Za-z0-9+/=]{100,}$' said | base64 -d | tail -c +5 >db.esl
	sig-list-to-certs db.esl of >/dev/null
	openssl x509 -in keys/db.crt -outform DER >new.der
	openssl x509 -in keys/db.crt.1 -outform DER >old.der
	cmp of-0.der new.der
	cmp of-1.der old.der
}

# `orlop vm` gives each guest a key of its own; a QEMU that leaves it out stands for a machine that nobody gave one. Waits
# until somebody can log in at the console; $port is that of sshd.
start_without_key() { # IMAGE
	mkdir bin
	cat >"bin/$(qemu_program)" <<-'EOF'
		#!/bin/bash
		arguments=()
		while [ $# -gt 0 ]; do
			# A credential is an SMBIOS string in a file.
			if [[ "$1 ${2:-}" == "-smbios type=11,path="* ]] && grep -q authorized_keys "${2#*path=}"; then
				echo left out >>"$LEFT_OUT"
				shift
			else
				arguments+=("$1")
			fi
			shift
		done
		exec "/usr/bin/${0##*/}" "${arguments[@]}"
	EOF
	chmod +x bin/*
	LEFT_OUT=$PWD/left-out PATH=$PWD/bin:$PATH "$ORLOP" vm start no-key "$1" --keys "$ORLOP_TEST_KEYS" --serial-log log --no-wait
	[ "$(cat left-out)" = "left out" ]
	for ((i = 0; i < 600; i++)); do
		! grep -aq 'login:' log || break
		read -rt 1 <> <(:) || true
	done
	grep -a 'login:' log
	port=$("$ORLOP" vm list --json | jq -er '.[] | select(.name == "no-key") | .ssh_port')
}

# The first thing that whoever listens at $port says.
banner() { timeout 60 bash -c "exec 9<>/dev/tcp/127.0.0.1/$port; IFS= read -rt 50 -u 9 line; printf %s \"\$line\""; }

@test "a node without a key comes up, and nobody answers at the port of sshd" {
	start_without_key "$(image_file .raw)"
	run banner
	[ -z "$output" ]
}

@test "a definition of one's own gives its nodes a key and a network" {
	cp -r "$ORLOP_EDITIONS" own
	ssh-keygen -q -t ed25519 -N '' -f key
	mkdir -p own/container-linux/usr/lib/{tmpfiles.d,systemd/network}
	{
		echo 'd /root/.ssh 0700 root root -'
		echo "f /root/.ssh/authorized_keys 0600 root root - $(cat key.pub)"
	} >own/container-linux/usr/lib/tmpfiles.d/site.conf
	printf '[Match]\nType=ether\n[Network]\nDescription=ours\nDHCP=yes\n' >own/container-linux/usr/lib/systemd/network/10-site.network
	"$ORLOP" build own/container-linux.yaml --arch "$(manifest .architecture)" --keys "$ORLOP_TEST_KEYS" --output built
	start_without_key built/*.raw
	[[ "$(banner)" == SSH-2.0-* ]]
	timeout 120 ssh -i key -p "$port" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 \
		"systemctl is-system-running --wait; networkctl status --no-pager -a" >seen
	cat seen
	grep -x running seen
	grep -F 'Network File: /usr/lib/systemd/network/10-site.network' <(sed 's/^ *//' seen)
}
