package app.likeness.fakes

import app.likeness.storage.Renamer
import java.io.File
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardOpenOption

/** What the app's own renamer does, with what a desktop's Java has for it. */
object DesktopRenamer : Renamer {
    override fun rename(from: File, to: File) {
        Files.move(from.toPath(), to.toPath(), ATOMIC_MOVE)
        FileChannel.open(to.parentFile.toPath(), StandardOpenOption.READ).use { it.force(true) }
    }
}
