#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The step `table`: check and explain with and without a cluster, mistakes in the file, one region alone.
# shellcheck disable=SC2016 # messages quote names in backquotes
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin table

cat >"$dir/in.jsonl" <<'X'
{"item":"a","qty":3,"price":1.5,"tag":"x","kind":"sale"}
{"item":"b","qty":1,"price":2.5,"tag":"y","kind":"sale"}
{"item":"a","qty":-1,"price":1.25,"tag":"z","kind":"sale"}
{"item":"c","qty":4,"price":9.5,"tag":"q","kind":"sale"}
{"item":"c","qty":4,"price":9.5,"tag":"q","kind":"gone"}
X
pipe stock <<'X'
pipeline: stock
workers: 1
metrics: off
steps:
  orders:
    source: {file: {path: in.jsonl}}
    schema: {item: string, qty: int64, price: float64, tag: string, kind: string}
  stock:
    from: orders
    key_by: [item]
    table:
      fields:
        sold: {type: pcount, add: qty}
        price: {type: lww, set: price}
        best: {type: max, set: price}
        tags: {type: orset, add: tag, remove: "kind == 'untag' ? tag : null"}
      delete: "kind == 'gone'"
  out: {from: stock, sink: {file: {path: rows}}}
X
ok "check" check "$dir/stock.yaml"
ok "run" run "$dir/stock.yaml"
is "rows as they are now" "$(cat "$dir"/rows/part-* | sort)" \
	'{"item":"a","sold":2,"price":1.25,"best":1.5,"tags":["x","z"],"deleted":false}
{"item":"b","sold":1,"price":2.5,"best":2.5,"tags":["y"],"deleted":false}'

five=$PWD/examples/clusters/five.yaml
ok "check in all regions" check --cluster "$five" "$dir/stock.yaml"
has "each region tells all others" "$dir/out" "edges: 4 out, 4 in"
ok "explain in a region" explain --cluster "$five" --region eu "$dir/stock.yaml"
has "explain: a source" "$dir/out" "stock+peers@us"
has "explain: a sink" "$dir/out" "stock+peers>us"
ok "the example" check --cluster "$five" examples/tables.yaml

sed 's/add: qty/add: price/' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "floats are not counted" 3 "bad.yaml:13:35: pcount counts int64, decimal or duration, but this is float64" check "$dir/bad.yaml"
sed 's/type: lww/type: lwx/' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "no such type" 3 'there is no type `lwx`; did you mean `lww`?' check "$dir/bad.yaml"
sed '/key_by/d' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "no key" 3 'step `stock` needs `key_by`' check "$dir/bad.yaml"
finish
