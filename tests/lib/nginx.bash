# shellcheck shell=bash
# Debian's nginx as a static web server on loopback.

# nginx_start FOLDER [LINE…]: serves FOLDER/www; the lines go into the server's part of the configuration. Sets nginx_url.
# FOLDER/nginx/access.log is the usual log, wire.log has bytes of each request and of its answer, with headers, and the path.
nginx_start() {
	local folder=$1 port line
	shift
	nginx_folder=$folder/nginx
	mkdir -p "$nginx_folder" "$folder/www"
	rm -f "$nginx_folder/access.log" "$nginx_folder/wire.log"
	for port in $(shuf -i 20000-32000 -n 20); do
		{
			[ "$(id -u)" != 0 ] || echo 'user root;'
			cat <<-CONFIG
				pid $nginx_folder/pid; error_log $nginx_folder/error.log;
				events { worker_connections 64; }
				http {
					access_log $nginx_folder/access.log;
					log_format wire '\$request_length \$bytes_sent \$request_uri';
					access_log $nginx_folder/wire.log wire;
					client_body_temp_path $nginx_folder/1; proxy_temp_path $nginx_folder/2; fastcgi_temp_path $nginx_folder/3;
					uwsgi_temp_path $nginx_folder/4; scgi_temp_path $nginx_folder/5;
					server { listen 127.0.0.1:$port${NGINX_LISTEN:+ $NGINX_LISTEN}; root $folder/www;
			CONFIG
			for line in "$@"; do echo "$line"; done
			echo '}}'
		} >"$nginx_folder/nginx.conf"
		if nginx -e "$nginx_folder/error.log" -c "$nginx_folder/nginx.conf" 2>"$nginx_folder/start.log"; then
			# shellcheck disable=SC2034 # for whoever sources this
			nginx_url=http${NGINX_LISTEN:+s}://127.0.0.1:$port
			return 0
		fi
	done
	cat "$nginx_folder/start.log" >&2
	return 1
}

nginx_stop() {
	[ -z "${nginx_folder:-}" ] || [ ! -e "$nginx_folder/pid" ] || kill "$(cat "$nginx_folder/pid")"
	nginx_folder=
}
