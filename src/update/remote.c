/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/remote.h"

#include <errno.h>
#include <string.h>

int remote_fetch(const struct remote *remote, const struct remote_request *request, struct error **err)
{
	return request->count > 0 ? remote->ops->fetch(remote->userdata, request, err) : 0;
}

struct bytes {
	uint8_t *data;
	uint64_t size, have;
};

static int take_bytes(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct bytes *bytes = userdata;

	(void)range;
	if (size > bytes->size - bytes->have)
		return error_set(err, -EBADMSG, "more came than was asked for");
	memcpy(bytes->data + bytes->have, data, size);
	bytes->have += size;
	return 0;
}

int remote_fetch_bytes(
	const struct remote *remote, const struct remote_request *request, uint8_t **ret, struct error **err)
{
	uint64_t size = request->ranges[0].size;
	_cleanup_free_ uint8_t *data = malloc(size);
	struct bytes bytes = {.data = data, .size = size};
	struct remote_request filled = *request;
	int r;

	if (!data)
		return error_set_errno(err, -ENOMEM, "%s", request->name);
	filled.sink = take_bytes;
	filled.userdata = &bytes;
	r = remote_fetch(remote, &filled, err);
	if (r < 0)
		return r;
	if (bytes.have != bytes.size)
		return error_set(err, -EBADMSG, "%s: less came than was asked for", request->name);
	*ret = TAKE_PTR(data);
	return 0;
}

void remote_counts_add(const struct remote_counts *counts, struct remote_counts *ret)
{
	ret->requests += counts->requests;
	ret->bytes += counts->bytes;
	ret->overhead += counts->overhead;
	ret->faults += counts->faults;
	ret->whole = ret->whole || counts->whole;
}

bool remote_fault_is_final(int code)
{
	return code == -ENOMEM || code == -ECANCELED || code == -EPIPE || code == -EINTR;
}
