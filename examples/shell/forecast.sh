#!/bin/sh
# Forecast of monthly sales by exponential smoothing, in awk.
#   forecast.sh OUT --smoothing 0.3 [--season] [--logarithm]
# Year 5 and 6 are validation, years 7 to 10 test; each forecast is one month ahead.
set -eu
out=$1
shift
smoothing=0.3 season=0 logarithm=0
while [ $# -gt 0 ]; do
    case $1 in
    --smoothing) smoothing=$2; shift 2 ;;
    --season) season=1; shift ;;
    --logarithm) logarithm=1; shift ;;
    *) echo "unknown option: $1" >&2; exit 2 ;;
    esac
done
awk -v a="$smoothing" -v season="$season" -v logarithm="$logarithm" -v out="$out/test.csv" '
BEGIN { FS = ","; print "month,label,predicted" > out }
NR == 1 { next }
{
    n++; month = $1; year = int((n - 1) / 12) + 1; k = n % 12
    y = logarithm ? log($2) : $2
    if (n > 12) {
        forecast = season ? level + effect[k] : level
        shown = logarithm ? exp(forecast) : forecast
        error = shown - $2
        if (year == 5 || year == 6) { sum += error < 0 ? -error : error; count++ }
        if (year > 6) printf "%s,%s,%.4f\n", month, $2, shown > out
        level += a * (y - (season ? effect[k] : 0) - level)
        effect[k] += a * (y - level - effect[k])
    } else {
        first[k] = y; level += y / 12
        if (n == 12) for (i = 0; i < 12; i++) effect[i] = first[i] - level
    }
}
END { printf "val mae: %.4f\n", sum / count }
' sales.csv
