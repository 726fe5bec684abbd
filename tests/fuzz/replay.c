/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain main() for fuzz targets: feeds every file of the target's corpus, so that found bugs stay found
 * in any build. replay_fuzz_X reads tests/data/corpus/X, or the files and folders named.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static int feed_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *p;
	size_t n;

	if (!f || fstat(fileno(f), &st)) {
		fprintf(stderr, "cannot read %s\n", path);
		return 1;
	}
	/* Exactly as large as the file, so that reading beyond is seen. */
	p = malloc(st.st_size ? (size_t)st.st_size : 1);
	n = fread(p, 1, (size_t)st.st_size, f);
	fclose(f);
	LLVMFuzzerTestOneInput(p, n);
	free(p);
	files++;
	return 0;
}

static int feed(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!d)
		return feed_file(path);
	while ((e = readdir(d))) {
		char file[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		r |= feed(file);
	}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char corpus[256];
	int r = 0;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			r |= feed(argv[i]);
	} else {
		name = strstr(name ? name : argv[0], "fuzz_");
		snprintf(corpus, sizeof(corpus), "tests/data/corpus/%s", name ? name + 5 : "");
		r = feed(corpus);
	}
	printf("%u passed, %d failed\n", files, r);
	return r || !files;
}
