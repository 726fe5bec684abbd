# SPDX-License-Identifier: Apache-2.0
# gnuplot -e "data='x.tsv'; image='x.png'; slowed=20; released=40" backpressure.plot
# Columns of the table that backpressure.py writes: t, 6 hot, 5 cold, slow, 6 hot edges, 4 cold edges, 6 fills, processes.
set terminal pngcairo noenhanced size 1100,1300 font 'sans,10'
set output image
set datafile separator '\t'
set key autotitle columnhead outside right
set grid
set xtics nomirror
set multiplot layout 5,1 margins 0.08,0.80,0.05,0.97 spacing 0.05
do for [x=1:2] {
	set arrow x from (x == 1 ? slowed : released), graph 0 to (x == 1 ? slowed : released), graph 1 nohead dt 2 lc rgb 'gray40'
}
set yrange [0:*]
set title 'events/s of the sources that feed the slow step (over 1 s), and records/s it takes' offset 0,-0.7
plot for [i=2:7] data using 1:i with lines lw 1.5, data using 1:13 with lines lw 1.5 dt 2 lc rgb 'black'
set title 'events/s of the other sources' offset 0,-0.7
plot for [i=8:12] data using 1:i with lines lw 1.5
set title 'KiB of an edge that are not confirmed' offset 0,-0.7
plot for [i=14:23] data using 1:i with lines lw 1.5
set title 'fill of the edges (a source is braked from 0.5 on)' offset 0,-0.7
set yrange [0:1]
plot for [i=24:29] data using 1:i with lines lw 1.5
set title 'memory of each process, MiB (resident)' offset 0,-0.7
set yrange [0:*]
set xlabel 'seconds'
plot for [i=30:39] data using 1:i with lines lw 1.2
