#!/bin/sh
# Draw docs/rules.png (needs graphviz and pngquant): every rule but those that only draw and
# report, which would all hang below the summaries; an arrow that follows from others is left out.
snakemake --rulegraph |
    awk 'match($0, /label = "(all|plot_[a-z]+|bundle_library|report_findings|build_report)"/) {
             left_out[$1 + 0]
         }
         !(/label = / && $1 + 0 in left_out) && !(/->/ && ($1 + 0 in left_out || $3 + 0 in left_out))' |
    tred |
    dot -Tpng -Gdpi=110 -o docs/rules.png
pngquant --force --ext .png --speed 1 --strip 128 docs/rules.png
