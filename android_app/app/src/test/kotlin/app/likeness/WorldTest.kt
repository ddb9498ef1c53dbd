package app.likeness

import org.junit.After
import java.io.File
import java.nio.file.Files

/** Tests that have a folder of their own, and worlds over it; all go afterwards. */
abstract class WorldTest {
    protected val root: File = Files.createTempDirectory("likeness").toFile()
    private val worlds = mutableListOf<World>()

    protected val world: World by lazy { newWorld() }

    /** Another process over the same folder, or over [folder]. */
    protected fun newWorld(folder: File = root, make: (File) -> World = { World(it) }): World =
        make(folder).also(worlds::add)

    /** What the disk holds at this instant, in a folder of its own: all that is left after a kill. */
    protected fun snapshot(folder: File = root): File {
        val copy = Files.createTempDirectory("likeness-killed").toFile()
        // Files that are being written go while they are copied.
        folder.copyRecursively(copy, overwrite = true) { _, _ -> OnErrorAction.SKIP }
        return copy.also(snapshots::add)
    }

    private val snapshots = mutableListOf<File>()

    @After
    fun cleanUp() {
        worlds.forEach(World::close)
        (snapshots + root).forEach(File::deleteRecursively)
    }
}
