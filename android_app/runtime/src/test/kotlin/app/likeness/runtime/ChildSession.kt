package app.likeness.runtime

import kotlinx.coroutines.runBlocking
import java.io.File

/**
 * A process that personalizes until it is killed: `JOURNAL STEPS`. Goes on with the journal where there is one; prints
 * the steps it has taken, a line each.
 */
fun main(arguments: Array<String>) {
    val (journal, steps) = arguments
    val engine = World.open(World.tinyBundle)
    val session =
        if (Session.canResume(File(journal))) {
            engine.resumeSession(File(journal))
        } else {
            engine.newSession(File(journal), engine.quickSettings().copy(steps = steps.toLong()))
        }
    runBlocking {
        session.run().collect { event ->
            if (event is TrainEvent.Progress && event.phase == Phase.TRAINING) println(event.step)
        }
    }
}
