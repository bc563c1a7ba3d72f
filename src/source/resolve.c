/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/resolve.h"

#include <errno.h>
#include <solv/pool.h>
#include <solv/problems.h>
#include <solv/solver.h>

#include "source/resolve-pool.h"

#define EVERY_VERSION (REL_GT | REL_EQ | REL_LT)
#define PROBLEMS_MAX 12 /* lines of explanation */
#define ROUNDS_MAX 16

/* ---- Packages that count as installed ---- */

/*
 * Stands in for the packages that count as installed while one request is solved: *considered* leaves the
 * real ones out, *repo* has one made-up package for each that provides the same things in every version, and
 * conflicts with those things are taken out of the other packages and put back at the end.
 */
struct stand_in {
	Pool *pool;
	Repo *repo;
	Map considered;
	Map names;     /* ids that the made-up packages provide */
	Queue changed; /* package, number of conflicts, conflicts … */
};

static void stand_in_release(struct stand_in *stand_in)
{
	Pool *pool = stand_in->pool;
	Queue conflicts;

	if (!pool)
		return;
	queue_init(&conflicts);
	for (int i = 0; i < stand_in->changed.count;) {
		Solvable *package = pool_id2solvable(pool, stand_in->changed.elements[i++]);

		queue_empty(&conflicts);
		for (int left = stand_in->changed.elements[i++]; left > 0; left--)
			queue_push(&conflicts, stand_in->changed.elements[i++]);
		solvable_set_deparray(package, SOLVABLE_CONFLICTS, &conflicts, 0);
	}
	queue_free(&conflicts);
	queue_free(&stand_in->changed);
	pool->considered = NULL;
	map_free(&stand_in->considered);
	map_free(&stand_in->names);
	if (stand_in->repo)
		repo_free(stand_in->repo, 1);
	pool_freewhatprovides(pool);
}

/* Sets *ret* to one of a package's lists of dependencies. */
static void get_dependencies(Pool *pool, Id package, Id key, Queue *ret)
{
	/* libsolv leaves the queue as it was where the package has no such list. */
	queue_empty(ret);
	solvable_lookup_deparray(pool_id2solvable(pool, package), key, ret, 0);
}

/* The id of the name that a dependency is about: without version, architecture and other decoration. */
static Id name_of(Pool *pool, Id id)
{
	while (ISRELDEP(id))
		id = GETRELDEP(pool, id)->name;
	return id;
}

static void provide(struct stand_in *stand_in, Id package, Id name)
{
	Pool *pool = stand_in->pool;
	Id every = pool_rel2id(pool, name, pool_str2id(pool, "0", 1), EVERY_VERSION, 1);

	solvable_add_deparray(pool_id2solvable(pool, package), SOLVABLE_PROVIDES, every, 0);
	map_grow(&stand_in->names, pool->ss.nstrings);
	stand_in->names.map[name >> 3] |= (unsigned char)(1 << (name & 7));
}

/* Makes up a package for *name*, with what every real package of that name provides. */
static void add_stand_in(struct stand_in *stand_in, const char *name)
{
	Pool *pool = stand_in->pool;
	/* "perl:any" is what dependencies call perl of any architecture. */
	Id id = pool_strn2id(pool, name, (unsigned)strcspn(name, ":"), 1),
	   made = repo_add_solvable(stand_in->repo), p;
	Solvable *package = pool_id2solvable(pool, made);
	Queue provided;

	package->name = pool_str2id(pool, "(counts as installed)", 1);
	package->arch = ARCH_ALL;
	package->evr = pool_str2id(pool, "0", 1);
	provide(stand_in, made, id);
	queue_init(&provided);
	FOR_POOL_SOLVABLES(p)
	{
		if (pool->solvables[p].name != id)
			continue;
		stand_in->considered.map[p >> 3] &= (unsigned char)~(1 << (p & 7));
		get_dependencies(pool, p, SOLVABLE_PROVIDES, &provided);
		for (int i = 0; i < provided.count; i++)
			if (name_of(pool, provided.elements[i]) != id)
				provide(stand_in, made, name_of(pool, provided.elements[i]));
	}
	queue_free(&provided);
}

/* Nothing conflicts with a package that is said to be there in the right version. */
static void drop_conflicts(struct stand_in *stand_in)
{
	Pool *pool = stand_in->pool;
	Queue all, kept;
	Id p;

	queue_init(&all);
	queue_init(&kept);
	FOR_POOL_SOLVABLES(p)
	{
		get_dependencies(pool, p, SOLVABLE_CONFLICTS, &all);
		queue_empty(&kept);
		for (int i = 0; i < all.count; i++) {
			Id name = name_of(pool, all.elements[i]);

			if (name >= stand_in->names.size << 3 || !MAPTST(&stand_in->names, name))
				queue_push(&kept, all.elements[i]);
		}
		if (kept.count == all.count)
			continue;
		queue_push2(&stand_in->changed, p, all.count);
		queue_insertn(&stand_in->changed, stand_in->changed.count, all.count, all.elements);
		solvable_set_deparray(pool_id2solvable(pool, p), SOLVABLE_CONFLICTS, &kept, 0);
	}
	queue_free(&all);
	queue_free(&kept);
}

static void stand_in_init(struct stand_in *stand_in, Pool *pool, const struct strv *absent, Queue *jobs)
{
	Solvable *package;
	Id p;

	stand_in->pool = pool;
	queue_init(&stand_in->changed);
	map_init(&stand_in->names, pool->ss.nstrings);
	map_init(&stand_in->considered, pool->nsolvables + (absent ? (int)absent->count : 0));
	map_setall(&stand_in->considered);
	stand_in->repo = repo_create(pool, "absent");
	for (size_t i = 0; absent && i < absent->count; i++)
		add_stand_in(stand_in, absent->items[i]);
	if (absent && absent->count > 0)
		drop_conflicts(stand_in);
	FOR_REPO_SOLVABLES(stand_in->repo, p, package)
	queue_push2(jobs, SOLVER_SOLVABLE | SOLVER_INSTALL, p);
	pool->considered = &stand_in->considered;
	pool_createwhatprovides(pool);
}

/* ---- The request ---- */

static bool has_package(Pool *pool, Id name)
{
	Id p, pp;

	FOR_PROVIDES(p, pp, name)
	if (pool->solvables[p].name == name)
		return true;
	return false;
}

/* Who provides a name that is no package's, for the message: "a, b". */
static char *name_providers(Pool *pool, Id name)
{
	_cleanup_buffer_ struct buffer text = {};
	Id p, pp;

	FOR_PROVIDES(p, pp, name)
	buffer_printf(&text, "%s%s", text.size > 0 ? ", " : "", pool_id2str(pool, pool->solvables[p].name));
	return text.size > 0 ? buffer_take(&text, NULL) : NULL;
}

static int unknown_name(Pool *pool, const char *name, Id id, struct error **err)
{
	_cleanup_free_ char *providers = id ? name_providers(pool, id) : NULL;

	if (providers)
		return error_set(err, -ENOENT,
			"%s is no package but a name that packages provide: ask for one of %s", name,
			providers);
	return error_set(err, -ENOENT,
		"no repository has a package %s: is the name right, and the suite, and the component?", name);
}

static int add_job(
	Pool *pool, const char *request, const struct strv *absent, Queue *jobs, struct error **err)
{
	size_t size = strcspn(request, "=");
	_cleanup_free_ char *name = strndup(request, size);
	Id id, wanted;

	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", request);
	if (absent && strv_contains(absent, name))
		return error_about(
			err, request, error_set(err, -EINVAL, "%s is asked for and said to be absent", name));
	id = pool_str2id(pool, name, 0);
	if (!id || !has_package(pool, id))
		return error_about(err, request, unknown_name(pool, name, id, err));
	wanted = request[size] ? pool_rel2id(pool, id, pool_str2id(pool, request + size + 1, 1), REL_EQ, 1)
			       : id;
	queue_push2(jobs, SOLVER_SOLVABLE_NAME | SOLVER_INSTALL, wanted);
	return 0;
}

static void explain_problem(Solver *solver, Id problem, struct buffer *text, unsigned *lines)
{
	Queue rules;

	queue_init(&rules);
	solver_findallproblemrules(solver, problem, &rules);
	for (int i = 0; i < rules.count && *lines < PROBLEMS_MAX; i++) {
		Id source, target, dependency;
		SolverRuleinfo type =
			solver_ruleinfo(solver, rules.elements[i], &source, &target, &dependency);

		if (type == SOLVER_RULE_JOB)
			continue;
		buffer_printf(text, "%s%s", text->size > 0 ? "; " : "",
			solver_problemruleinfo2str(solver, type, source, target, dependency));
		(*lines)++;
	}
	if (rules.count == 0 || *lines == 0) {
		Id source, target, dependency;
		SolverRuleinfo type = solver_ruleinfo(
			solver, solver_findproblemrule(solver, problem), &source, &target, &dependency);

		buffer_printf(text, "%s%s", text->size > 0 ? "; " : "",
			solver_problemruleinfo2str(solver, type, source, target, dependency));
		(*lines)++;
	}
	queue_free(&rules);
}

static int explain(Solver *solver, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	unsigned lines = 0;

	for (Id problem = 1; problem <= (Id)solver_problem_count(solver) && lines < PROBLEMS_MAX; problem++)
		explain_problem(solver, problem, &text, &lines);
	buffer_append_u8(&text, 0);
	return error_set(err, -ENOPKG, "the packages do not go together: %s",
		buffer_failed(&text) ? "(out of memory)" : (char *)text.data);
}

/* ---- The result ---- */

/* While the list is made: each package with its number in the pool. */
struct chosen {
	Id id;
	const char *name; /* the pool's */
	size_t parent;	  /* index of the package that pulled it in; itself where it was asked for */
	bool reached;
};

static int compare_chosen(const void *a, const void *b)
{
	return strcmp(((const struct chosen *)a)->name, ((const struct chosen *)b)->name);
}

static int collect(Solver *solver, const struct stand_in *stand_in, struct chosen **ret, size_t *ret_count)
{
	Pool *pool = solver->pool;
	struct chosen *chosen;
	size_t count = 0;
	Queue decisions;

	queue_init(&decisions);
	solver_get_decisionqueue(solver, &decisions);
	chosen = calloc((size_t)decisions.count + 1, sizeof(*chosen));
	for (int i = 0; chosen && i < decisions.count; i++) {
		Id p = decisions.elements[i];

		if (p <= 0 || p == SYSTEMSOLVABLE || pool->solvables[p].repo == stand_in->repo)
			continue;
		chosen[count++] =
			(struct chosen){.id = p, .name = pool_id2str(pool, pool->solvables[p].name)};
	}
	queue_free(&decisions);
	if (!chosen)
		return -ENOMEM;
	qsort(chosen, count, sizeof(*chosen), compare_chosen);
	*ret = chosen;
	*ret_count = count;
	return 0;
}

/* Marks the packages of the list that *from* asks for, and queues those that nobody asked for before. */
static void reach_from(Pool *pool, struct chosen *chosen, size_t count, size_t from, Queue *next)
{
	Queue wants;

	queue_init(&wants);
	get_dependencies(pool, chosen[from].id, SOLVABLE_REQUIRES, &wants);
	for (int i = 0; i < wants.count; i++) {
		Id p, pp;

		FOR_PROVIDES(p, pp, wants.elements[i])
		{
			struct chosen key = {.name = pool_id2str(pool, pool->solvables[p].name)};
			struct chosen *found = bsearch(&key, chosen, count, sizeof(*chosen), compare_chosen);

			if (!found || found->id != p || found->reached)
				continue;
			found->reached = true;
			found->parent = from;
			queue_push(next, (Id)(found - chosen));
		}
	}
	queue_free(&wants);
}

/* Finds for each package the shortest way from what was asked for. */
static void find_parents(Pool *pool, struct chosen *chosen, size_t count, const struct strv *names)
{
	Queue next;

	queue_init(&next);
	for (size_t i = 0; i < count; i++) {
		chosen[i].parent = i;
		for (size_t n = 0; n < names->count && !chosen[i].reached; n++) {
			size_t size = strcspn(names->items[n], "=");

			chosen[i].reached = strlen(chosen[i].name) == size &&
					    memcmp(chosen[i].name, names->items[n], size) == 0;
		}
		if (chosen[i].reached)
			queue_push(&next, (Id)i);
	}
	while (next.count > 0)
		reach_from(pool, chosen, count, (size_t)queue_shift(&next), &next);
	queue_free(&next);
}

static char *describe_why(const struct chosen *chosen, size_t index)
{
	char *why = strdup(chosen[index].name);

	while (why && chosen[index].parent != index) {
		_cleanup_free_ char *longer = NULL;

		index = chosen[index].parent;
		longer = string_format("%s > %s", chosen[index].name, why);
		free(why);
		why = TAKE_PTR(longer);
	}
	return why;
}

static const char *or_else(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static int describe(Pool *pool, Id id, struct package *ret, struct error **err)
{
	Solvable *solvable = pool_id2solvable(pool, id);
	const struct origin *origin = solvable->repo->appdata;
	const char *name = pool_id2str(pool, solvable->name), *version = pool_id2str(pool, solvable->evr);
	const char *file = solvable_lookup_location(solvable, NULL);
	const unsigned char *digest;
	Id type = 0;

	digest = solvable_lookup_bin_checksum(solvable, SOLVABLE_CHECKSUM, &type);
	if (!file || !digest || type != REPOKEY_TYPE_SHA256)
		return error_set(err, -EBADMSG, "%s of %s has no Filename or no SHA256 in its index", name,
			origin->suite);
	/* Repositories without dists/ write "./name". */
	if (!package_path_is_safe(startswith(file, "./") ? file + 2 : file))
		return error_set(err, -EBADMSG,
			"%s of %s has a Filename that leads out of the archive: \"%s\"", name, origin->suite,
			file);
	memcpy(ret->sha256, digest, SHA256_SIZE);
	ret->name = strdup(name);
	ret->version = strdup(version);
	ret->architecture = strdup(pool_id2str(pool, solvable->arch));
	ret->source = strdup(or_else(solvable_lookup_str(solvable, SOLVABLE_SOURCENAME), name));
	ret->source_version = strdup(or_else(solvable_lookup_str(solvable, SOLVABLE_SOURCEEVR), version));
	ret->suite = strdup(origin->suite);
	ret->component = strdup(origin->component);
	ret->file = strdup(file);
	ret->url = string_format("%s/%s", origin->archive, file);
	if (solvable_lookup_num(solvable, SOLVABLE_DOWNLOADSIZE, 0) == 0)
		return error_set(err, -EBADMSG, "%s of %s has no Size in its index", name, origin->suite);
	ret->size = solvable_lookup_num(solvable, SOLVABLE_DOWNLOADSIZE, 0);
	ret->installed_size = solvable_lookup_num(solvable, SOLVABLE_INSTALLSIZE, 0);
	if (!ret->name || !ret->version || !ret->architecture || !ret->source || !ret->source_version ||
		!ret->suite || !ret->component || !ret->file || !ret->url)
		return error_set_errno(err, -ENOMEM, "%s", name);
	return 0;
}

static int make_list(Solver *solver, const struct stand_in *stand_in, const struct strv *names,
	struct package_list *ret, struct error **err)
{
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_free_ struct chosen *chosen = NULL;
	size_t count;
	int r;

	r = collect(solver, stand_in, &chosen, &count);
	if (r >= 0)
		list.items = calloc(count + 1, sizeof(*list.items));
	if (r < 0 || !list.items)
		return error_set_errno(err, -ENOMEM, "list of packages");
	find_parents(solver->pool, chosen, count, names);
	for (size_t i = 0; i < count; i++) {
		list.count++;
		r = describe(solver->pool, chosen[i].id, &list.items[i], err);
		if (r < 0)
			return r;
		list.items[i].why = describe_why(chosen, i);
		if (!list.items[i].why)
			return error_set_errno(err, -ENOMEM, "list of packages");
	}
	*ret = list;
	list = (struct package_list){};
	return 0;
}

static void solver_freep(Solver **solver)
{
	if (*solver)
		solver_free(*solver);
}

/* ---- Alternatives ---- */

/* True where something that is part of the solution meets *dependency*. */
static bool is_met(Solver *solver, Id dependency)
{
	Pool *pool = solver->pool;
	Id p, pp;

	FOR_PROVIDES(p, pp, dependency)
	if (solver_get_decisionlevel(solver, p) > 0)
		return true;
	return false;
}

/* The name of the package that is the first choice of "a | b | c" where the solution holds neither it nor
 * what comes before it; 0 where there is no such thing. */
static Id missed_choice(Solver *solver, Id dependency)
{
	Pool *pool = solver->pool;

	while (ISRELDEP(dependency) && GETRELDEP(pool, dependency)->flags == REL_OR) {
		Id first = GETRELDEP(pool, dependency)->name;

		if (is_met(solver, first))
			return 0;
		if (has_package(pool, name_of(pool, first)))
			return name_of(pool, first);
		dependency = GETRELDEP(pool, dependency)->evr;
	}
	return 0;
}

static bool has_job(const Queue *jobs, Id how, Id what)
{
	for (int i = 0; i < jobs->count; i += 2)
		if (jobs->elements[i] == how && jobs->elements[i + 1] == what)
			return true;
	return false;
}

/*
 * "Depends: a | b" means b only where a cannot be had (Debian Policy, 7.5, and what its package tools do),
 * and libsolv goes by name: asks for the first choices that the solution passed over. Returns true where
 * there are new ones.
 */
static bool favor_first_choices(Solver *solver, Queue *jobs)
{
	const Id how = SOLVER_SOLVABLE_NAME | SOLVER_FAVOR;
	int before = jobs->count;
	Queue decisions, wants;

	queue_init(&decisions);
	queue_init(&wants);
	solver_get_decisionqueue(solver, &decisions);
	for (int i = 0; i < decisions.count; i++) {
		if (decisions.elements[i] <= SYSTEMSOLVABLE)
			continue;
		get_dependencies(solver->pool, decisions.elements[i], SOLVABLE_REQUIRES, &wants);
		for (int w = 0; w < wants.count; w++) {
			Id name = missed_choice(solver, wants.elements[w]);

			if (name && !has_job(jobs, how, name))
				queue_push2(jobs, how, name);
		}
	}
	queue_free(&decisions);
	queue_free(&wants);
	return jobs->count > before;
}

/* Solves, and again with first choices favored, as often as that brings new ones. */
static int solve(Solver *solver, Queue *jobs, struct error **err)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		if (solver_solve(solver, jobs) != 0)
			return explain(solver, err);
		if (!favor_first_choices(solver, jobs))
			break;
	}
	return 0;
}

/* ---- Absent packages that nobody misses ---- */

/* What MAPSET() does, with the conversion said: some compilers warn of it otherwise. */
static void set_bit(Map *map, Id id)
{
	map->map[id >> 3] = (unsigned char)(map->map[id >> 3] | 1 << (id & 7));
}

/* Notes the names in *dependency*: one, or those of "a | b". */
static void note_names(Pool *pool, Id dependency, Map *names)
{
	while (ISRELDEP(dependency)) {
		const Reldep *relation = GETRELDEP(pool, dependency);

		if (relation->flags == REL_OR || relation->flags == REL_AND)
			note_names(pool, relation->evr, names);
		dependency = relation->name;
	}
	if (dependency >= names->size << 3)
		map_grow(names, dependency + 1);
	set_bit(names, dependency);
}

/* The names that the packages of the solution depend on. */
static void note_wanted(Solver *solver, const struct stand_in *stand_in, Map *names)
{
	Pool *pool = solver->pool;
	Queue decisions, wants;

	queue_init(&decisions);
	queue_init(&wants);
	solver_get_decisionqueue(solver, &decisions);
	for (int i = 0; i < decisions.count; i++) {
		Id p = decisions.elements[i];

		if (p <= SYSTEMSOLVABLE || pool->solvables[p].repo == stand_in->repo)
			continue;
		get_dependencies(pool, p, SOLVABLE_REQUIRES, &wants);
		for (int w = 0; w < wants.count; w++)
			note_names(pool, wants.elements[w], names);
	}
	queue_free(&decisions);
	queue_free(&wants);
}

static bool is_missed(const struct stand_in *stand_in, Id package, const Map *names)
{
	bool missed = false;
	Queue provided;

	queue_init(&provided);
	get_dependencies(stand_in->pool, package, SOLVABLE_PROVIDES, &provided);
	for (int i = 0; i < provided.count && !missed; i++) {
		Id name = name_of(stand_in->pool, provided.elements[i]);

		missed = name < names->size << 3 && MAPTST(names, name);
	}
	queue_free(&provided);
	return missed;
}

/* The stand-ins are in the order of *absent*. */
static int list_idle(Solver *solver, const struct stand_in *stand_in, const struct strv *absent,
	struct strv *ret, struct error **err)
{
	const Solvable *package;
	size_t index = 0;
	Map names;
	int r = 0;
	Id p;

	map_init(&names, solver->pool->ss.nstrings);
	note_wanted(solver, stand_in, &names);
	FOR_REPO_SOLVABLES(stand_in->repo, p, package)
	{
		if (r >= 0 && !is_missed(stand_in, p, &names))
			r = strv_add(ret, absent->items[index]);
		index++;
	}
	map_free(&names);
	return r < 0 ? error_set_errno(err, r, "absent packages") : 0;
}

int resolver_run(struct resolver *resolver, const struct strv *names, const struct strv *absent,
	struct package_list *ret, struct strv *ret_idle, struct error **err)
{
	_cleanup_(stand_in_release) struct stand_in stand_in = {};
	_cleanup_(queue_free) Queue jobs = {};
	_cleanup_(solver_freep) Solver *solver = NULL;
	int r = 0;

	stand_in_init(&stand_in, resolver->pool, absent, &jobs);
	for (size_t i = 0; i < names->count && r >= 0; i++)
		r = add_job(resolver->pool, names->items[i], absent, &jobs, err);
	if (r < 0)
		return r;
	solver = solver_create(resolver->pool);
	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, 1);
	r = solve(solver, &jobs, err);
	if (r >= 0 && ret_idle && absent)
		r = list_idle(solver, &stand_in, absent, ret_idle, err);
	return r < 0 ? r : make_list(solver, &stand_in, names, ret, err);
}
