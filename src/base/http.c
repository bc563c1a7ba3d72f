/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/string-util.h"

#define RETRY_AFTER_MAX 120 /* seconds */

#define REDIRECTS_MAX 10
#define PAUSE_MAX_MS 30000

uint64_t http_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The fault of a status that is no success. */
static int judge_status(CURL *easy, long status, uint64_t *ret_wait_ms, struct error **err)
{
	curl_off_t wait = 0;

	if (status == 404 || status == 410)
		return error_set(err, -ENOENT, "the server does not have it");
	if (!http_status_is_passing(status))
		return error_set(err, status == 401 || status == 403 || status == 407 ? -EACCES : -EPROTO,
			"the server answers with status %ld", status);
	(void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait);
	if (wait > RETRY_AFTER_MAX)
		return error_set(err, -EBUSY,
			"the server answers with status %ld and asks to come back in %jd seconds", status,
			(intmax_t)wait);
	*ret_wait_ms = wait > 0 ? (uint64_t)wait * 1000 : 0;
	return error_set(err, -EAGAIN, "the server answers with status %ld", status);
}

int http_judge(const struct http_outcome *outcome, uint64_t *ret_wait_ms, struct error **err)
{
	CURLcode code = outcome->code;
	long status = 0;

	*ret_wait_ms = 0;
	(void)curl_easy_getinfo(outcome->easy, CURLINFO_RESPONSE_CODE, &status);
	if (outcome->is_page || status == 511)
		return error_set(err, -EPROTO,
			"the answer is a web page and not the file: is there a login page between this "
			"machine and the server?");
	if (code == CURLE_FILE_COULDNT_READ_FILE || code == CURLE_REMOTE_FILE_NOT_FOUND)
		return error_set(err, -ENOENT, "the server does not have it");
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status >= 400))
		return error_set(err, http_code_is_lasting(code) ? -EIO : -EAGAIN, "%s",
			outcome->message[0] ? outcome->message : curl_easy_strerror(code));
	return status == 0 || status == 200 || status == 206
		       ? (int)status
		       : judge_status(outcome->easy, status, ret_wait_ms, err);
}

bool http_is_file_url(const char *url)
{
	return strncasecmp(url, "file:", 5) == 0;
}

/* A server on this machine, which no proxy reaches. */
static bool is_loopback_url(const char *url)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
	const char *host = strstr(url, "://");

	for (size_t i = 0; host && i < ARRAY_SIZE(hosts); i++) {
		const char *rest = startswith(host + 3, hosts[i]);

		if (rest && (*rest == ':' || *rest == '/' || *rest == 0))
			return true;
	}
	return false;
}

int http_prepare(CURL *easy, const char *url, const struct http_limits *limits, char *message)
{
	CURLcode code = CURLE_OK;

#define SET(option, value)                                            \
	do {                                                          \
		if (code == CURLE_OK)                                 \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)
	SET(CURLOPT_URL, url);
	SET(CURLOPT_ERRORBUFFER, message);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "orlop");
	SET(CURLOPT_PROTOCOLS_STR, "http,https,file");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_CONNECTTIMEOUT, (long)limits->connect_seconds);
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)limits->floor);
	SET(CURLOPT_LOW_SPEED_TIME, (long)limits->stall_seconds);
	/* An empty name switches off what the environment says, too. */
	if (is_loopback_url(url))
		SET(CURLOPT_PROXY, "");
	else if (limits->proxy)
		SET(CURLOPT_PROXY, limits->proxy);
#undef SET
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

bool http_status_is_passing(long status)
{
	return status == 408 || status == 425 || status == 429 ||
	       (status >= 500 && status != 501 && status != 505 && status != 511);
}

bool http_code_is_lasting(CURLcode code)
{
	return code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
	       code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_CACERT_BADFILE || code == CURLE_OUT_OF_MEMORY ||
	       code == CURLE_COULDNT_RESOLVE_PROXY;
}

uint64_t http_pause_ms(unsigned tries, uint64_t base_ms)
{
	uint64_t pause = base_ms;
	uint32_t random = 0;

	for (unsigned i = 1; i < tries && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	pause = MIN(pause, (uint64_t)PAUSE_MAX_MS);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = UINT32_MAX / 2;
	return pause / 2 + (pause * random >> 32);
}

/* A decimal number, which *at* is moved behind; no sign or space may stand before it. */
static bool take_number(const char **at, uint64_t *ret)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

static bool take_text(const char **at, const char *text)
{
	const char *end = startswith(*at, text);

	if (end)
		*at = end;
	return end;
}

bool http_parse_range(const char *line, size_t size, struct http_range *ret)
{
	static const char name[] = "content-range:";
	uint64_t begin, last, total = UINT64_MAX;
	char text[128];
	const char *at = text;

	if (size <= sizeof(name) || size >= sizeof(text) || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return false;
	memcpy(text, line + sizeof(name) - 1, size - sizeof(name) + 1);
	text[size - sizeof(name) + 1] = 0;
	at += strspn(at, " \t");
	if (!take_text(&at, "bytes "))
		return false;
	at += strspn(at, " ");
	if (!take_number(&at, &begin) || !take_text(&at, "-") || !take_number(&at, &last) ||
		!take_text(&at, "/") || last < begin || last == UINT64_MAX)
		return false;
	if (!take_text(&at, "*") && !take_number(&at, &total))
		return false;
	*ret = (struct http_range){.begin = begin, .end = last + 1, .total = total};
	return true;
}
