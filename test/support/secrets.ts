/** Secrets of clusters, as `openssl rand -base64 32` makes them. */
export const NEW_SECRET = 'q2Xo1n0Fhq4jqT9yTzv8mUu5lqv3Qk7e9Xc6bYwR0sA=';
export const OLD_SECRET = 'Zr8tW3mPpV5kD1xN7cLh2QyB6sGfJ4uE0aKoRiTqM9w=';
