package app.likeness.runtime

/** What [Studio.generate] tells on the way. */
sealed interface GenerateEvent {
    /** [done] of [total] calls of the model. */
    data class Progress(val done: Long, val total: Long) : GenerateEvent

    /** The last event: all of them. */
    class Pictures(val pictures: List<Picture>) : GenerateEvent
}
