package app.likeness.bundle

import app.likeness.storage.Disk
import app.likeness.storage.StorageLayout
import app.likeness.storage.Trash
import app.likeness.storage.forEachPiece
import java.io.File
import java.io.IOException
import java.io.InputStream

/**
 * Copies the model out of the app, where the core cannot open it, into private storage: once for each version.
 *
 * A file that was copied whole is not copied again after a kill or a full storage; the folder counts only once the last
 * file, the manifest, is there. What the files hold is the core's to check, by the manifest's hashes.
 */
class BundleInstaller(
    private val source: BundleSource,
    private val layout: StorageLayout,
    private val disk: Disk,
    private val trash: Trash,
) {
    /** The manifest of the app's model is the one of the copy, byte by byte; it holds every file's hash. */
    fun isInstalled(): Boolean {
        val manifest = File(layout.bundle, MANIFEST)
        return manifest.isFile && source.open(MANIFEST).use(InputStream::readBytes).contentEquals(manifest.readBytes())
    }

    /**
     * Blocks. [progress] gets bytes done and to do, and may throw to stop.
     *
     * Throws [app.likeness.storage.StorageFullException] before anything is copied where there is no room for all.
     */
    fun install(progress: (done: Long, total: Long) -> Unit) {
        val files = source.files()
        if (MANIFEST !in files) throw IOException("This app was built without a model; install it again.")
        if (File(layout.bundle, MANIFEST).exists()) remove()
        deleteStrangers(files.keys)
        val total = files.values.sum()
        val missing = files.filter { (path, size) -> target(path).length() != size }
        disk.needRoom(layout.root, missing.values.sum() + SPARE_BYTES)
        var done = total - missing.values.sum()
        missing.keys.sortedBy { it == MANIFEST }.forEach { path ->
            copy(path) { count ->
                done += count
                progress(done, total)
            }
        }
    }

    /** The copy turned out to be damaged, or is another version's. */
    fun remove() = trash.delete(File(layout.bundle, MANIFEST), layout.bundle)

    private fun copy(path: String, copied: (Int) -> Unit) = source.open(path).use { from ->
        disk.write(target(path)) { to ->
            from.forEachPiece(PIECE_BYTES) { buffer, count ->
                to.write(buffer, 0, count)
                copied(count)
            }
        }
    }

    /** The core refuses a bundle with files that its manifest does not list: half copies, another version's. */
    private fun deleteStrangers(known: Set<String>) {
        val strangers = layout.bundle.walk().filter { it.isFile && it.toRelativeString(layout.bundle) !in known }
        trash.delete(*strangers.toList().toTypedArray())
    }

    private fun target(path: String) = File(layout.bundle, path)

    private companion object {
        const val MANIFEST = "manifest.json"
        const val PIECE_BYTES = 256 * 1024
        const val SPARE_BYTES = 8L * 1024 * 1024
    }
}
