/**
 * List prices of AWS in us-east-1, US dollars without tax and free tiers, as of November 2026:
 * aws.amazon.com/s3/pricing (S3 Standard), aws.amazon.com/lambda/pricing (arm64), aws.amazon.com/ec2/pricing/on-demand
 * (data transfer). Other regions and other stores have other prices: this is the one place to change them.
 */
export const PRICES = {
  /** PUT, COPY, POST and LIST. */
  s3Write: 0.005 / 1000,
  /** GET, HEAD and the rest; DELETE is free. */
  s3Read: 0.0004 / 1000,
  /** A GB (10^9 bytes would be less: AWS means 2^30) for a month of 30 days. */
  s3GBMonth: 0.023,
  lambdaCall: 0.2 / 1_000_000,
  lambdaGBSecond: 0.0000133334,
  /** A GB to agents outside of the region; nothing within it, by way of a gateway endpoint. */
  transferGB: 0.09,
} as const;
