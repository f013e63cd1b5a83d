// A mixture of K Normal distributions of one variable, the components named by the order of their means.
data {
  int<lower=1> N;                // observations
  vector[N] y;
  int<lower=1> K;                // components
  real mean_center;              // of the means' prior
  real<lower=0> mean_scale;      // its standard deviation
  real<lower=0> sd_median;       // of the sds' lognormal prior, whose logarithm has standard deviation 1
  real<lower=0> sd_floor;        // below it no sd is known: half the resolution of values that tie, else 0
  real<lower=0> concentration;   // of the weights' Dirichlet prior
}
parameters {
  simplex[K] w;
  ordered[K] mu;
  vector<lower=sd_floor>[K] sigma;
}
model {
  w ~ dirichlet(rep_vector(concentration, K));
  mu ~ normal(mean_center, mean_scale);
  sigma ~ lognormal(log(sd_median), 1);
  for (n in 1:N) {
    vector[K] terms = log(w);
    for (k in 1:K) {
      terms[k] += normal_lpdf(y[n] | mu[k], sigma[k]);
    }
    target += log_sum_exp(terms);
  }
}
