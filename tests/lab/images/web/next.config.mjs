// `standalone` is what a real image carries: the traced server and nothing else.
export default {
  output: 'standalone',
  poweredByHeader: false,
  compress: false, // nginx compresses
  images: { unoptimized: true },
  generateBuildId: () => 'lab', // the same layer serves every version of the image
  outputFileTracingExcludes: { '*': ['node_modules/@img/**', 'node_modules/sharp/**'] },
  serverExternalPackages: ['ioredis', 'pg'],
};
