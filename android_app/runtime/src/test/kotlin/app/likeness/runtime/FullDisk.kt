package app.likeness.runtime

import java.io.File

/** A process, to be started with little room for files, that saves an adapter to `FILE` and prints how that fails. */
fun main(arguments: Array<String>) {
    World.open(World.tinyBundle).newSession().use { session ->
        session.finish()
        try {
            session.saveAdapter(File(arguments.single()))
        } catch (error: LikenessException) {
            println("${error::class.simpleName}: ${error.message}")
        }
    }
}
