/** What a machine consists of. Machines that agree in all of it can be restored from the same template. */
export interface Hardware {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly accelerator: 'kvm' | 'tcg';
}

const mebibyte = 1024 * 1024;

/** Memory of a machine whose steps may take so much together: the kernel and our programs need their part beside it. */
export function machineMemoryMiB(stepBytes: number): number {
  return 72 + Math.ceil((stepBytes / mebibyte) * (1 + 1 / 32));
}

/** Descriptors of the process, from the first that QEMU knows. */
export const descriptors = {
  /** Groups are joined by these four. */
  firstJoin: 3,
  monitor: 7,
  control: 8,
  stdout: 9,
  stderr: 10,
  data: 11,
  /** Held open and never used: closes when the last process of the machine has ended. */
  life: 12,
  image: 13,
  disk: 14,
  memory: 15,
  state: 16,
} as const;

/** Where QEMU finds its files. */
export const machinePaths = { kernel: '/ritmo/kernel', initramfs: '/ritmo/initramfs', state: '/ritmo/state' } as const;

const commandLine =
  'quiet panic=-1 no_timer_check nokaslr 8250.nr_uarts=0 i8042.noaux cryptomgr.notests nowatchdog audit=0 apparmor=0';
/** Without fast `rep movsb`: kernel and libc copy with it where it is said to be fast, and emulated it goes byte by byte. */
const emulatedCpu = 'max,-erms,-fsrm';
/** Most translated code that an emulated machine keeps: without a bound it would outgrow what the job's limit leaves for QEMU. */
const translatedMiB = 128;
/** More than the disk of any job, and any image, has. */
const hugeBytes = 2 ** 60;
const board = 'usb=off,smm=off,vmport=off,hpet=off,graphics=off';

/** What backs the memory: a file of ours, new (a template is to be made of it) or of a template, or nobody's. */
export type MemorySource = 'own' | 'template' | 'anonymous';

/** The format of a disk image; never guessed, since a guest that writes its own header could choose it. */
export type DiskFormat = 'raw' | 'qcow2';

export interface MachineShape {
  readonly hardware: Hardware;
  readonly memory: MemorySource;
  readonly imageFormat: DiskFormat;
  readonly network: 'none' | 'isolated';
}

/** Addresses in the network of a machine; another than that of the holder around it, whose name server answers. */
export const machineNetwork = {
  prefix: '10.0.3.0/24',
  address: '10.0.3.15',
  mask: '255.255.255.0',
  gateway: '10.0.3.2',
  nameServer: '10.0.3.3',
};

/** Arguments of QEMU. The devices are the same for every job, so that one template serves all. */
export function machineArgs({ hardware, memory, imageFormat, network }: MachineShape): string[] {
  const { memoryMiB, cpus, accelerator } = hardware;
  const backed = memory !== 'anonymous';
  const ports = ['control', 'stdout', 'stderr', 'data'] as const;
  return [
    ...['-M', `pc,${board}${backed ? ',memory-backend=memory' : ''}`],
    ...[
      '-accel',
      accelerator === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${translatedMiB}`,
      '-cpu',
      accelerator === 'kvm' ? 'host' : emulatedCpu,
    ],
    ...['-m', `${memoryMiB}M`, '-smp', String(cpus)],
    ...(backed
      ? [
          '-object',
          `memory-backend-file,id=memory,size=${memoryMiB}M,mem-path=/proc/self/fd/${descriptors.memory},share=${memory === 'own' ? 'on' : 'off'}`,
        ]
      : []),
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-vga', 'none'],
    // What becomes a template runs nothing but ours, and saves itself through a program.
    ...[
      '-sandbox',
      `on,obsolete=deny,elevateprivileges=deny,resourcecontrol=deny${memory === 'own' ? '' : ',spawn=deny'}`,
    ],
    ...['-kernel', machinePaths.kernel, '-initrd', machinePaths.initramfs, '-append', commandLine],
    ...['-chardev', `socket,id=monitor,fd=${descriptors.monitor}`, '-mon', 'chardev=monitor,mode=control'],
    // What is printed is handed on by the processor that prints it, without waking another thread for each block.
    ...['-device', 'virtio-serial-pci,id=ports,max_ports=5,ioeventfd=off'],
    ...ports.flatMap((name, index) => [
      ...['-chardev', `socket,id=${name},fd=${descriptors[name]}`],
      ...['-device', `virtserialport,bus=ports.0,nr=${index + 1},chardev=${name},name=ritmo.${name}`],
    ]),
    ...(memory === 'own' ? noDisks : jobDisks(imageFormat)),
    ...(network === 'isolated' ? ['-netdev', `user,id=net,net=${machineNetwork.prefix},ipv6=off`] : []),
    ...['-device', `virtio-net-pci,romfile=,mac=52:54:00:12:34:56${network === 'isolated' ? ',netdev=net' : ''}`],
    ...(memory === 'template' ? ['-incoming', 'defer'] : []),
  ];
}

const disk = (id: string, options: string) => [
  ...['-drive', `if=none,id=${id},${options}`],
  ...['-device', `virtio-blk-pci,drive=${id},write-cache=off`],
];

const jobDisks = (imageFormat: DiskFormat) => [
  ...['-add-fd', `fd=${descriptors.image},set=1`, '-add-fd', `fd=${descriptors.disk},set=2`],
  ...disk('image', `file=/dev/fdset/1,format=${imageFormat},readonly=on,file.locking=off`),
  ...disk('disk', 'file=/dev/fdset/2,format=raw,auto-read-only=off,discard=unmap,cache=unsafe,file.locking=off'),
];

/**
 * In the machine that becomes a template. Its kernel learns how large they are, and clones do not look again: it must be
 * more than the disks of any job have. What lies behind their end QEMU refuses.
 */
const noDisks = [
  ...disk('image', `driver=null-co,size=${hugeBytes},read-zeroes=on,readonly=on`),
  ...disk('disk', `driver=null-co,size=${hugeBytes},read-zeroes=on,discard=unmap,cache=unsafe`),
];
