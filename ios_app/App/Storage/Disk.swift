import Foundation

/// A file cannot be read or written. The message, for people, says what is wrong.
enum StorageError: Error, Equatable, Sendable {
    /// The storage has no room for what was to be written; nothing of it was left behind.
    case full(String)
    case failed(String)

    var message: String {
        switch self {
        case .full(let message), .failed(let message): message
        }
    }
}

/// The storage that files lie on; tests have one that fills up.
protocol Volume: Sendable {
    /// Bytes that this app may still write to the storage of `folder`.
    func freeBytes(at folder: URL) -> Int

    /// As write(2).
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int
}

/// The phone's own.
struct PhoneVolume: Volume {
    func freeBytes(at folder: URL) -> Int {
        let values = try? FileManager.default.attributesOfFileSystem(forPath: folder.path)
        return (values?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    }

    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
        Foundation.write(descriptor, bytes.baseAddress, bytes.count)
    }
}

/// Writes so that whoever reads, now or after a kill at any instant, finds the old file or the new one, whole.
///
/// All functions block; call them off the main thread. They throw ``StorageError``.
struct Disk: Sendable {
    /// Ends the name of a file that is not whole yet.
    static let aside = ".part"

    let volume: any Volume

    /// Replaces `file` by what `content` writes: aside, flushed, renamed. Its folders are made.
    func write(_ file: URL, content: (Sink) throws -> Void) throws {
        try makeFolder(file.deletingLastPathComponent())
        let aside = file.appendingPathExtension(String(Self.aside.dropFirst()))
        do {
            try fill(aside, content)
            try rename(aside, to: file)
        } catch {
            unlink(aside.path)
            throw error
        }
    }

    func write(_ file: URL, _ bytes: Data) throws {
        try write(file) { try $0.write(bytes) }
    }

    /// Moves a file or a folder within this storage, in one step; a file that was at `to` is replaced.
    func rename(_ from: URL, to: URL) throws {
        guard Foundation.rename(from.path, to.path) == 0 else { throw failure(errno, "move", from.lastPathComponent) }
        try flush(folder: to.deletingLastPathComponent())
    }

    func makeFolder(_ folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace
            let message = "Cannot make the folder \(folder.lastPathComponent)."
            throw isFull ? StorageError.full(message) : StorageError.failed(message)
        }
    }

    /// Throws ``StorageError/full(_:)`` unless `bytes` more fit.
    func needRoom(_ bytes: Int, at folder: URL) throws {
        let free = volume.freeBytes(at: folder)
        guard free < bytes else { return }
        let megabytes = { (bytes: Int) in (bytes + 999_999) / 1_000_000 }
        throw StorageError.full("\(megabytes(bytes)) MB are needed, \(megabytes(free)) MB are free.")
    }

    private func fill(_ file: URL, _ content: (Sink) throws -> Void) throws {
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw failure(errno, "write", file.lastPathComponent) }
        defer { close(descriptor) }
        try content(Sink(descriptor: descriptor, volume: volume, name: file.lastPathComponent))
        guard fsync(descriptor) == 0 else { throw failure(errno, "write", file.lastPathComponent) }
    }

    /// A rename is kept through a loss of power only then.
    private func flush(folder: URL) throws {
        let descriptor = open(folder.path, O_RDONLY)
        guard descriptor >= 0 else { throw failure(errno, "write", folder.lastPathComponent) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(errno, "write", folder.lastPathComponent) }
    }
}

/// Takes a file's bytes on their way to the disk. Valid for the call that got it.
struct Sink {
    fileprivate let descriptor: Int32
    fileprivate let volume: any Volume
    fileprivate let name: String

    func write(_ bytes: Data) throws {
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let written = volume.write(UnsafeRawBufferPointer(rebasing: rest), to: descriptor)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { throw failure(errno, "write", name) }
                rest = rest.dropFirst(written)
            }
        }
    }
}

/// What a system call that gave `code` means for the file `name`. The code must be read before anything else is called.
private func failure(_ code: Int32, _ action: String, _ name: String) -> StorageError {
    if code == ENOSPC || code == EDQUOT { return .full("The storage is full.") }
    return .failed("Cannot \(action) \(name): \(String(cString: strerror(code))).")
}
