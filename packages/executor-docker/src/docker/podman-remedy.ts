/** What Podman needs beside itself; undefined where the words tell of something else. */
export function podmanRemedy(message: string): string | undefined {
  if (/init binary|container-init|catatonit/i.test(message)) {
    return "Install the init of Podman's containers: apt-get install catatonit.";
  }
  if (/setting rlimit/i.test(message)) {
    return 'Podman gives containers higher limits than it has itself: set `default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]` below `[containers]` in /etc/containers/containers.conf.';
  }
  return undefined;
}
